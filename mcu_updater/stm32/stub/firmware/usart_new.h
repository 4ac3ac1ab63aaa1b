/* The USART of L4 and G0. RM0351, RM0444 "USART registers". No FIFO as the ROM leaves it. */
#pragma once
#include <stdint.h>

typedef struct {
    volatile uint32_t cr1, cr2, cr3, brr, gtpr, rtor, rqr, isr, icr, rdr, tdr;
} usart_t;

#define USART_CR1_UE (1u << 0)

static inline void usart_clear_errors(usart_t *usart, uint32_t isr)
{
    (void)isr;
    usart->icr = 0xFu;
}
