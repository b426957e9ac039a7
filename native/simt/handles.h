// Names of CUDA types for headers that host code includes: a launch is declared without any CUDA header.
#pragma once

struct CUstream_st;
struct __nv_bfloat16;

namespace rft::simt {

using Stream = CUstream_st*;
using bf16 = ::__nv_bfloat16;

inline thread_local const char* last_kernel = "";  // launched by this thread, for messages about errors that come late

}  // namespace rft::simt
