"""An STM32 behind its USART boot ROM: the host's side."""
