/* Yours: the registers of your chip. Here stands what start.c asks for. */
#ifndef CHIP_H
#define CHIP_H

#include "cortex_m.h"

#define SERIAL_IRQ 0u /* the module's USART, by its number in the table of interrupts */

#endif
