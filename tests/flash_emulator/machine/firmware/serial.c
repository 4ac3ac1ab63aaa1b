#include "serial.h"
#include "chip.h"
#include "usart.h"

#define CORE_HZ 16000000u

void serial_open(void)
{
    usart_open();
    GPIOA_AFRL = (GPIOA_AFRL & ~0xF000u) | PA2_IS_USART2 << 12;
    GPIOA_MODER = (GPIOA_MODER & ~0xC0u) | 0x80u;
    USART2_CR1 |= USART_CR1_RE;
    SYST_RVR = CORE_HZ - 1u;
    SYST_CSR = SYST_CSR_ENABLE | SYST_CSR_CLKSOURCE;
}

int serial_get(void)
{
    SYST_CVR = 0u; /* the second begins, and COUNTFLAG is cleared */
    while (!(USART2_ISR & USART_ISR_RXNE)) {
        if (SYST_CSR & SYST_CSR_COUNTFLAG) {
            return NOTHING;
        }
    }
    return (int)(USART2_RDR & 0xFFu);
}

void serial_put(uint8_t byte)
{
    usart_put((char)byte);
}

void serial_send(const uint8_t *bytes, uint32_t size)
{
    while (size--) {
        serial_put(*bytes++);
    }
}
