// Switching stacks without system calls.
#pragma once
#include <cstddef>

// Saves the callee-saved registers and the stack pointer in *save, and continues where `load` was saved.
extern "C" void rft_simt_switch(void** save, void* load);

namespace rft::simt::emulator {

// A stack pointer from which a first switch enters `entry`, which never returns.
void* fresh_stack(char* top, void (*entry)());

}  // namespace rft::simt::emulator
