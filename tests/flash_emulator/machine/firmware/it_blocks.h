#pragma once

/* IT blocks crossed by every kind of access, with the condition met and not met: "rwlLms". */
void it_tests(void);
