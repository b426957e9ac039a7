// A kernel that is never run: whether the runtime finds an image of it tells if this build supports the GPU.
#pragma once

namespace rft::device {

const void* probe_kernel_address();

}  // namespace rft::device
