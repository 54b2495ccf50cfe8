// What a running guest writes (reference: qapi/migration.json, calc-dirty-rate; qapi/block-core.json).

#include "hypervisor/qemu/answers.hpp"
#include "hypervisor/qemu/qemu_machine.hpp"

namespace sealift::hypervisor::qemu {

namespace {

constexpr std::uint64_t kSamplePages = 4096;  // a GiB: the most that QEMU takes
constexpr Milliseconds kGlance{20};

}  // namespace

Result<std::uint64_t> QemuMachine::disk_written_bytes(Deadline deadline) {
  return parse_written_bytes(SEALIFT_TRY(call("query-blockstats", {}, deadline)));
}

Result<WriteRates> QemuMachine::measure_writes(Milliseconds period, Deadline deadline, const Stop& stop) {
  const std::uint64_t written_before = SEALIFT_TRY(disk_written_bytes(deadline));
  const auto before = std::chrono::steady_clock::now();
  SEALIFT_TRY_STATUS(command("calc-dirty-rate",
                             {{"calc-time", period.count()},
                              {"calc-time-unit", "millisecond"},
                              {"sample-pages", kSamplePages},
                              {"mode", "page-sampling"}},
                             deadline));
  if (stop.sleep(period)) return fail(Code::kCancelled, "stopped");
  while (true) {
    const auto rate = SEALIFT_TRY(parse_dirty_rate(SEALIFT_TRY(call("query-dirty-rate", {}, deadline))));
    if (rate) {
      const std::uint64_t written = SEALIFT_TRY(disk_written_bytes(deadline));
      const auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
      const std::uint64_t more = written - std::min(written, written_before);
      return WriteRates{*rate, static_cast<std::uint64_t>(static_cast<double>(more) / seconds)};
    }
    if (deadline.passed()) return fail(Code::kTimeout, "QEMU does not say how much the guest writes");
    if (stop.sleep(kGlance)) return fail(Code::kCancelled, "stopped");
  }
}

}  // namespace sealift::hypervisor::qemu
