/* An application: it says its version and rests. */
#include "usart.h"

void main(void)
{
    usart_open();
    usart_print("app " VERSION "\r\n");
}
