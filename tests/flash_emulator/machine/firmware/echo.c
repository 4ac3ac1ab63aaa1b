/*
 * Talks on USART2: says "ready", then answers every byte. 'v': the version; 'b': PC13, the button;
 * 'e': erases and programs a page, then "done"; 's': sleeps for ever; else the byte itself.
 * "count" is how many bytes have come.
 */
#include "chip.h"
#include "flash.h"
#include "usart.h"

#define USART2_CR1_RE (1u << 2)
#define USART2_ISR_RXNE (1u << 5)
#define USART2_RDR REGISTER(0x40004424u)
#define GPIOC_MODER REGISTER(0x48000800u)
#define GPIOC_IDR REGISTER(0x48000810u)
#define PAGE 0x08008000u

volatile uint32_t count;

static void answer(char byte)
{
    const uint32_t unit[2] = {0x12345678u, count};

    switch (byte) {
    case 'v':
        usart_print("version 1\r\n");
        break;
    case 'b':
        usart_print(GPIOC_IDR & (1u << 13) ? "high\r\n" : "low\r\n");
        break;
    case 'e':
        usart_print(flash_erase(PAGE) && flash_program(PAGE, unit) ? "done\r\n" : "failed\r\n");
        break;
    case 's':
        __asm volatile("wfi");
        usart_print("woken\r\n");
        break;
    default:
        usart_put(byte);
        break;
    }
}

void main(void)
{
    usart_open();
    RCC_GPIO_ENABLE |= 1u << 2;
    GPIOC_MODER &= ~(3u << 26);
    USART2_CR1 = USART_CR1_UE_TE | USART2_CR1_RE;
    usart_print("ready\r\n");
    for (;;) {
        while (!(USART2_ISR & USART2_ISR_RXNE)) {
        }
        count++;
        answer((char)USART2_RDR);
    }
}
