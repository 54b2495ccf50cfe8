// An operator's definition file: never a crash, and what is accepted is a good definition.

#include <cstdlib>

#include "hypervisor/definition_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sealift;
  if (size > 65536) return 0;
  SeededRandom random(1);
  const auto parsed = hypervisor::parse_definition(as_text(ByteView(data, size)), "vm.toml", random);
  if (!parsed) return 0;
  for (const auto& problem : hypervisor::problems_of(parsed->definition)) {
    const bool size_is_the_sources =
        problem.key == "size" && !parsed->sources.disks[problem.index].path.empty();
    if (!size_is_the_sources) std::abort();
  }
  return 0;
}
