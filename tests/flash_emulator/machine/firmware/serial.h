/* USART2 in both directions: PA2 sends, PA3 receives, 115,200 baud; and a second, by SysTick. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define NOTHING (-1)

void serial_open(void);
int serial_get(void);    /* a byte, or NOTHING when none has come for a second */
void serial_put(uint8_t byte);
void serial_send(const uint8_t *bytes, uint32_t size);
