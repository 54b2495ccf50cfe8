#pragma once

// The gate of a live move, as a filter over QEMU's return path (destination QEMU -> source QEMU, main
// channel).
//
// A message is  be16 type | be16 length | payload[length]  (QEMU, docs/devel/migration;
// reference/qemu.md 4.6). During a pre-copy only three types occur:
//   1 SHUT            4 bytes: the destination has loaded everything and ends; value 0 = without error
//   2 PONG            4 bytes
//   7 SWITCHOVER_ACK  0 bytes: QEMU may switch over while the guest runs
// PONG goes through. SWITCHOVER_ACK never does: without it QEMU cannot switch over before our own stop. SHUT
// never does either: the source stays able to go on until its process is ended. Anything else is refused
// (kCorrupt): the other side is not trusted, and nothing but PONG ever reaches the source's QEMU.

#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace sealift::migrate {

class ReturnPathFilter {
 public:
  // Takes the next bytes in whatever pieces they come; appends what may pass to `forward`.
  Status feed(ByteView bytes, Bytes& forward);

  bool acknowledged() const { return acknowledged_; }
  // SHUT was held back; its value: 0 = the destination loaded everything without error.
  std::optional<std::uint32_t> shut() const { return shut_; }

 private:
  Status take_message(Bytes& forward);

  static constexpr std::size_t kHeaderBytes = 4;
  static constexpr std::size_t kPayloadBytes = 4;
  std::array<std::uint8_t, kHeaderBytes + kPayloadBytes> message_{};
  std::size_t have_ = 0;
  bool acknowledged_ = false;
  std::optional<std::uint32_t> shut_;
};

}  // namespace sealift::migrate
