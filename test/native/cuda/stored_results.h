// Results of one device in a file, compared with those of another: how scripts/gpu-check.sh holds a GPU to the
// emulator.
//
//   cuda_ops_test --store FILE        writes the results of the first schedule
//   gpu_ops_test --against FILE      one more check a case
//
// A line is a tensor: name, what of it, and the bits of its values in hexadecimal, all separated by tabs.
#pragma once
#include <cstdlib>
#include <fstream>
#include <map>

#include "harness.h"

namespace rft::test {

class StoredResults {
 public:
  StoredResults(int argc, char** argv) {
    if (argc < 3) return;
    const std::string mode = argv[1];
    expect(mode == "--store" || mode == "--against", "argument", "--store FILE or --against FILE", mode);
    if (mode == "--store") out_.open(argv[2]);
    else read(argv[2]);
    comparing_ = mode == "--against";
    expect(comparing_ ? !tensors_.empty() : out_.is_open(), mode, "a file of results", argv[2]);
  }

  // `exact`: the op only copies numbers and adds them in one order, so devices agree to the bit. Others multiply and
  // add in one or two roundings and have approximate exponentials, so they agree within the case's tolerance.
  void check(const std::string& name, const Case& c, const Result& result, bool exact) {
    if (out_.is_open()) {
      each(c, result, [&](const std::string& what, const Floats& values, double) { write(name, what, values); });
    } else if (comparing_) {
      verify(name + ", against the emulator", [&] {
        std::string detail;
        each(c, result, [&](const std::string& what, const Floats& values, double tolerance) {
          const auto found = tensors_.find(name + '\t' + what);
          if (!detail.empty()) return;
          if (found == tensors_.end()) detail = "the file has no " + what;
          else if (exact) detail = compare_bits(what, values, found->second);
          else
            detail = compare(what, values, Array(found->second.begin(), found->second.end()), int64_t(values.size()),
                             tolerance);
        });
        return detail;
      });
    }
  }

 private:
  template <class Visit>
  static void each(const Case& c, const Result& r, const Visit& visit) {
    for (size_t i = 0; i < r.outputs.size(); ++i) visit(concat("output ", i), r.outputs[i], c.tolerance);
    for (size_t i = 0; i < r.gradients.size(); ++i)
      if (!r.gradients[i].empty()) visit("gradient of " + c.inputs[i].name, r.gradients[i], c.gradient_tolerance);
  }

  void write(const std::string& name, const std::string& what, const Floats& values) {
    out_ << name << '\t' << what << std::hex;
    for (const float value : values) {
      uint32_t bits;
      std::memcpy(&bits, &value, 4);
      out_ << '\t' << bits;
    }
    out_ << std::dec << '\n';
  }

  void read(const char* file) {
    std::ifstream in(file);
    for (std::string line; std::getline(in, line);) {
      const size_t name = line.find('\t'), what = line.find('\t', name + 1);
      Floats& values = tensors_[line.substr(0, what)];
      for (size_t at = what; at != std::string::npos; at = line.find('\t', at + 1)) {
        const uint32_t bits = uint32_t(std::strtoul(line.c_str() + at + 1, nullptr, 16));
        float value;
        std::memcpy(&value, &bits, 4);
        values.push_back(value);
      }
    }
  }

  bool comparing_ = false;
  std::ofstream out_;
  std::map<std::string, Floats> tensors_;
};

}  // namespace rft::test
