// Bicubic image resize on 8-bit RGB, equal to Pillow's `Image.resize(..., BICUBIC)` bit for bit, because models were
// trained on what Pillow made of their images.
#pragma once
#include <cstdint>

namespace rft {

// in: (h, w, 3) row-major bytes. out: (oh, ow, 3). All sides >= 1; the caller checks them.
void resize_bicubic_u8(const uint8_t* in, int w, int h, uint8_t* out, int ow, int oh);

}  // namespace rft
