/* USART2 on PA2, 115,200 baud, to be read by whoever looks. */
#pragma once
#include <stdint.h>

void usart_open(void);
void usart_put(char character);
void usart_print(const char *text);
void usart_print_hex(uint32_t value);
