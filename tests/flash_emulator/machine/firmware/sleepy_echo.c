/*
 * Sends back what comes, and sleeps in between. PRIMASK is set: the interrupt of USART2 wakes the
 * core, and nobody handles it.
 */
#include "chip.h"
#include "flash.h"
#include "serial.h"

#define USART2_IRQ 38u
#define NVIC_ISER1 REGISTER(0xE000E104u)
#define NVIC_ICPR1 REGISTER(0xE000E284u)

void main(void)
{
    __asm volatile("cpsid i");
    flash_open();
    serial_open();
    SYST_CSR = 0u; /* it would wake the core, too */
    USART2_CR1 |= USART_CR1_RXNEIE;
    NVIC_ISER1 = 1u << (USART2_IRQ - 32u);
    serial_put('>');
    for (;;) {
        __asm volatile("wfi");
        while (USART2_ISR & USART_ISR_RXNE) {
            serial_put((uint8_t)USART2_RDR);
        }
        NVIC_ICPR1 = 1u << (USART2_IRQ - 32u);
    }
}
