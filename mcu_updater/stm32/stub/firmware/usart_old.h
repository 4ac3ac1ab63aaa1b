/* The USART of F4. RM0090 30.6: one data register for both directions. */
#pragma once
#include <stdint.h>

typedef struct {
    union {
        volatile uint32_t sr, isr;
    };
    union {
        volatile uint32_t dr, rdr, tdr;
    };
    volatile uint32_t brr, cr1, cr2, cr3, gtpr;
} usart_t;

#define USART_CR1_UE (1u << 13)

/* A read of SR and one of DR clear them: where a byte has come, that is how it is taken anyway. */
static inline void usart_clear_errors(usart_t *usart, uint32_t sr)
{
    if (!(sr & (1u << 5))) {
        (void)usart->dr;
    }
}
