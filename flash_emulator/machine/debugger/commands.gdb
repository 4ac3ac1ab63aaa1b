# For gdb, beside `target remote`: what mcu-updater's server needs of it. Given with -x.

# `monitor boot`, `cut` and the like move the machine: gdb asks for its registers again.
define hookpost-monitor
  maintenance flush register-cache
  maintenance flush dcache
end

define cut
  monitor cut
  frame
end
document cut
Go to the instruction that does the flash operation in which power is cut.
end

define violation
  monitor violation
  frame
end
document violation
Go to the instruction in which the boot goes wrong.
end

set confirm off
set pagination off
