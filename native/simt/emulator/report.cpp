#include "simt/emulator/report.h"

#include <unistd.h>

#include <cstdio>
#include <map>
#include <set>

#include "base/error.h"
#include "simt/emulator/device.h"
#include "simt/emulator/state.h"

extern "C" __attribute__((visibility("hidden"))) char __ehdr_start;

namespace rft::simt {
namespace emulator {
namespace {

constexpr Site kInterned = 0x80000000u;

std::vector<Report> found;
std::set<std::tuple<std::string, Site, Site>> seen;
std::vector<Loc> locs;
std::map<std::pair<const char*, unsigned>, Site> loc_ids;

std::string block_text() {
  return concat("block (", g.block_index.x, ",", g.block_index.y, ",", g.block_index.z, ") ");
}

// The first line of what addr2line says, without its "(discriminator 2)".
std::string line_of_code(Site site) {
  char self[256], command[400], line[512] = "";
  const ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
  self[n < 0 ? 0 : n] = 0;
  std::snprintf(command, sizeof command, "addr2line -e '%s' 0x%x 2>/dev/null", self, site - 1);
  if (FILE* f = popen(command, "r")) {
    if (std::fgets(line, sizeof line, f) == nullptr) line[0] = 0;
    pclose(f);
  }
  std::string out = line;
  return out.substr(0, out.find_first_of(" \n"));
}

}  // namespace

Site site_of(const Loc& l) {
  const auto [it, fresh] = loc_ids.try_emplace({l.file_name(), l.line()}, Site(kInterned | locs.size()));
  if (fresh) locs.push_back(l);
  return it->second;
}
Site site_of(const void* return_address) { return Site(static_cast<const char*>(return_address) - &__ehdr_start); }

std::string site_text(Site site) {
  if (site == 0) return "";
  if ((site & kInterned) == 0) return line_of_code(site);
  const Loc& l = locs[site & ~kInterned];
  return concat(l.file_name(), ":", l.line());
}

void report(const char* kind, const std::string& text, Site at, Site against) {
  if (found.size() >= config().max_reports || !seen.emplace(kind, at, against).second) return;
  found.push_back({kind, text, at, against});
}

void fatal(const char* kind, const std::string& text, Site at) {
  if (seen.emplace(kind, at, 0).second) found.push_back({kind, text, at, 0});
  abandon_launch();
}

void clear_reports() {
  found.clear();
  seen.clear();
}

std::string thread_text(uint32_t thread) { return concat(block_text(), "thread ", thread); }

std::string agent_text(uint32_t agent) {
  if (agent < g.threads)
    return concat(block_text(), "thread ", agent, " (warp ", agent / 32, " lane ", agent % 32, ")");
  if (agent < copier_of(g.threads)) return concat(block_text(), "asynchronous copy of thread ", agent - g.threads);
  if (agent < tma_agent(0)) return concat(block_text(), "wgmma of warp ", agent - wgmma_agent(0));
  return block_text() + "a TMA load";
}

}  // namespace emulator

const std::vector<Report>& reports() { return emulator::found; }

std::string Report::full_text() const {
  std::string out = "[" + kind + "] " + text;
  if (site != 0) out += "\n      at " + emulator::site_text(site);
  if (against != 0) out += "\n      against " + emulator::site_text(against);
  return out;
}

}  // namespace rft::simt
