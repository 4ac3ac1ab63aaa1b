#include "usart.h"
#include "chip.h"

void usart_open(void)
{
    RCC_GPIO_ENABLE |= 1u;
    RCC_USART2_ENABLE |= RCC_USART2EN;
    GPIOA_AFRL = (GPIOA_AFRL & ~0xF00u) | PA2_IS_USART2 << 8;
    GPIOA_MODER = (GPIOA_MODER & ~0x30u) | 0x20u;
    USART2_BRR = (CLOCK_HZ + 57600u) / 115200u;
    USART2_CR1 = USART_CR1_UE_TE;
}

void usart_put(char character)
{
    while (!(USART2_ISR & USART_ISR_TXE)) {
    }
    USART2_TDR = (uint8_t)character;
}

void usart_print(const char *text)
{
    while (*text) {
        usart_put(*text++);
    }
}

void usart_print_hex(uint32_t value)
{
    for (int shift = 28; shift >= 0; shift -= 4) {
        usart_put("0123456789ABCDEF"[value >> shift & 0xFu]);
    }
}
