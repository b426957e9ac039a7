#include "io/tensor_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "simd/vmath.h"
#include "tensor/values.h"

namespace rft {

size_t size_of(StorageDtype dtype) {
  if (dtype == StorageDtype::U8) return 1;
  return dtype == StorageDtype::F32 ? 4 : 2;
}

namespace {

constexpr int64_t kChunk = int64_t{1} << 20;  // elements converted at once

class File {
 public:
  File(const std::string& path, int flags) : path_(path), fd_(::open(path.c_str(), flags | O_CLOEXEC, 0644)) {
    if (fd_ < 0) throw_errno("a file that opens");
  }
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  void read_at(void* to, size_t bytes, int64_t offset) {
    char* p = static_cast<char*>(to);
    while (bytes) {
      const ssize_t n = ::pread(fd_, p, bytes, offset);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) throw_errno("readable bytes");
      if (n == 0) fail(path_, concat(bytes, " more bytes at ", offset), "the end of the file");
      p += n;
      offset += n;
      bytes -= size_t(n);
    }
  }
  void write(const void* from, size_t bytes) {
    const char* p = static_cast<const char*>(from);
    while (bytes) {
      const ssize_t n = ::write(fd_, p, bytes);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) throw_errno("room to write");
      p += n;
      bytes -= size_t(n);
    }
  }
  void close() {
    const int fd = fd_;
    fd_ = -1;
    if (::close(fd) != 0) throw_errno("a file that closes");
  }

 private:
  [[noreturn]] void throw_errno(const char* expected) { fail(path_, expected, std::strerror(errno)); }
  std::string path_;
  int fd_;
};

void to_f32(StorageDtype dtype, const void* raw, float* out, int64_t n) {
  const auto* half = static_cast<const uint16_t*>(raw);
  if (dtype == StorageDtype::F32) std::memcpy(out, raw, size_t(n) * 4);
  if (dtype == StorageDtype::BF16) simd::bf16_to_f32(half, out, n);
  if (dtype == StorageDtype::F16) simd::f16_to_f32(half, out, n);
}

void from_f32(StorageDtype dtype, const float* in, void* raw, int64_t n) {
  auto* half = static_cast<uint16_t*>(raw);
  if (dtype == StorageDtype::F32) std::memcpy(raw, in, size_t(n) * 4);
  if (dtype == StorageDtype::BF16) simd::f32_to_bf16(in, half, n);
  if (dtype == StorageDtype::F16) simd::f32_to_f16(in, half, n);
}

void expect_same_kind(const std::string& where, StorageDtype dtype, const Tensor& t) {
  if ((dtype == StorageDtype::U8) != (t.dtype() == Dtype::U8))
    fail(where, t.dtype() == Dtype::U8 ? "dtype U8" : "dtype F32, BF16 or F16",
         dtype == StorageDtype::U8 ? "U8" : "another");
}

void read_one(const Ctx& ctx, const TensorSource& source, const Tensor& to, std::vector<uint8_t>& buffer,
              std::vector<float>& values) {
  if (source.shape != to.shape())
    fail(concat(source.file, ": ", source.name), concat("shape ", to_string(to.shape())), to_string(source.shape));
  expect_same_kind(concat(source.file, ": ", source.name), source.dtype, to);
  if (ctx.meta()) return;
  File file(source.file, O_RDONLY);
  const int64_t width = int64_t(size_of(source.dtype));
  for (int64_t i = 0; i < to.count(); i += kChunk) {
    const int64_t n = std::min(kChunk, to.count() - i);
    file.read_at(buffer.data(), size_t(n * width), source.offset + i * width);
    if (to.dtype() == Dtype::U8) {
      write_bytes(to, i, n, buffer.data());
      continue;
    }
    to_f32(source.dtype, buffer.data(), values.data(), n);
    write_floats(to, i, n, values.data());
  }
}

}  // namespace

void read_tensors(const Ctx& ctx, const std::vector<TensorSource>& sources, const FindTensor& find) {
  std::vector<uint8_t> buffer(size_t(kChunk) * 4);
  std::vector<float> values(static_cast<size_t>(kChunk));
  for (const auto& source : sources) {
    ctx.check_abort();
    read_one(ctx, source, find(source.name), buffer, values);
  }
}

void write_tensors(const Ctx& ctx, const std::string& path, const std::vector<uint8_t>& header,
                   const std::vector<TensorSink>& sinks, const FindTensor& find) {
  std::vector<uint8_t> buffer(size_t(kChunk) * 4);
  std::vector<float> values(static_cast<size_t>(kChunk));
  try {
    File file(path, O_WRONLY | O_CREAT | O_TRUNC);
    file.write(header.data(), header.size());
    for (const auto& sink : sinks) {
      ctx.check_abort();
      const Tensor from = find(sink.name);
      expect_same_kind(concat(path, ": ", sink.name), sink.dtype, from);
      for (int64_t i = 0; i < from.count(); i += kChunk) {
        const int64_t n = std::min(kChunk, from.count() - i);
        if (from.dtype() == Dtype::U8) read_bytes(from, i, n, buffer.data());
        else {
          read_floats(from, i, n, values.data());
          from_f32(sink.dtype, values.data(), buffer.data(), n);
        }
        file.write(buffer.data(), size_t(n) * size_of(sink.dtype));
      }
    }
    file.close();
  } catch (...) {
    struct stat found;
    if (::lstat(path.c_str(), &found) == 0 && S_ISREG(found.st_mode)) ::unlink(path.c_str());  // never a device
    throw;
  }
}

}  // namespace rft
