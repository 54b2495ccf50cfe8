// What QEMU says on its monitor: the stream is cut at places that the input chooses, each line is parsed, and
// answers go on to the parsers of their content.

#include <cstdlib>

#include "hypervisor/qemu/answers.hpp"
#include "hypervisor/qemu/qmp.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sealift::hypervisor::qemu;
  const sealift::ByteView input(data, size);
  const std::size_t cut = size == 0 ? 0 : data[0] % size;
  LineSplitter whole(4096);
  LineSplitter cut_up(4096);
  const bool fed = whole.feed(input).has_value();
  const bool fed_cut =
      cut_up.feed(input.first(cut)).has_value() && cut_up.feed(input.subspan(cut)).has_value();
  if (fed != fed_cut) std::abort();
  while (fed) {
    const auto line = whole.next();
    if (line != cut_up.next()) std::abort();
    if (!line) break;
    const auto message = parse_qmp_line(*line);
    if (!message || !message->answer || message->answer->error) continue;
    static_cast<void>(parse_status(message->answer->value));
    static_cast<void>(parse_migration_status(message->answer->value));
    static_cast<void>(parse_dirty_rate(message->answer->value));
    static_cast<void>(parse_written_bytes(message->answer->value));
  }
  return 0;
}
