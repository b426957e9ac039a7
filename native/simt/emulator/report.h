// Reports: what is wrong, at which source line, against which other line.
#pragma once
#include <string>

#include "simt/emulator/calls.h"

namespace rft::simt::emulator {

using Site = uint32_t;  // a source position: an interned Loc, or a code address of the executable; 0: none
Site site_of(const Loc&);
Site site_of(const void* return_address);
std::string site_text(Site);

void report(const char* kind, const std::string& text, Site at, Site against = 0);  // once per kind and lines
[[noreturn]] void fatal(const char* kind, const std::string& text, Site at);        // also gives the launch up
void clear_reports();

std::string thread_text(uint32_t thread);  // "block (1,0,0) thread 37"
std::string agent_text(uint32_t agent);    // "block (1,0,0) cp.async of thread 37"
std::string memory_text(const void* p);    // "shared 'partial' byte 12 of 32"

}  // namespace rft::simt::emulator
