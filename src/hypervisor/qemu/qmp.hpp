#pragma once

// QMP, QEMU's control protocol (docs/interop/qmp-spec.txt): JSON objects, one a line, over a unix socket.
// greeting -> qmp_capabilities -> commands with ids; answers and events come in between. What QEMU says is
// untrusted (its process holds a guest): lines are bounded, JSON is strict, an answer without its question
// ends the connection. One thread reads; any thread may ask; one command is in flight at a time.

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "base/file.hpp"
#include "base/guarded.hpp"
#include "base/json.hpp"
#include "base/stop.hpp"
#include "hypervisor/status.hpp"

namespace sealift::hypervisor::qemu {

constexpr std::size_t kQmpLineBytesMax = 4 * 1024 * 1024;  // query-qmp-schema of 10.0 is about 200 KiB

// Cuts a byte stream into lines. kInvalid once a line is longer than its limit; then it must not be fed
// again.
class LineSplitter {
 public:
  explicit LineSplitter(std::size_t line_bytes_max = kQmpLineBytesMax) : line_bytes_max_(line_bytes_max) {}
  Status feed(ByteView bytes);
  std::optional<std::string> next();  // without its line end; empty lines are skipped

 private:
  std::size_t line_bytes_max_;
  std::string partial_;
  std::deque<std::string> lines_;
};

struct QmpVersion {
  std::uint64_t major = 0;
  std::uint64_t minor = 0;
  std::uint64_t micro = 0;
  std::string text() const;
};
struct QmpAnswer {
  std::uint64_t id = 0;
  Json value;                  // of "return"
  std::optional<Error> error;  // class and desc of "error"
};
struct QmpMessage {
  std::optional<QmpVersion> greeting;
  std::optional<QmpAnswer> answer;
  std::optional<Event> event;  // exactly one of the three is set
};
// kInvalid: not one of the three kinds.
Result<QmpMessage> parse_qmp_line(std::string_view line);

// Events of one process, whatever connection brought them: numbered from 1, the last 4,096 are kept.
struct EventLog {
  std::deque<Event> events;
  std::uint64_t last = 0;
  void add(Event event);
};

class QmpClient {
 public:
  // Connects, reads the greeting, negotiates. kUnsupported: QEMU older than 9.0. `log`: of a connection
  // before this one that was lost; the numbers go on.
  static Result<std::unique_ptr<QmpClient>> connect(const file::Path& socket, Deadline deadline,
                                                    const Stop& stop, EventLog log = {});
  ~QmpClient();

  const QmpVersion& version() const { return version_; }
  // kUnavailable: the connection is gone; kTimeout: no answer in time (an answer that comes later is
  // dropped); kRefused: QEMU's error, with its words (class DeviceNotFound and CommandNotFound: kNotFound and
  // kUnsupported).
  Result<Json> call(std::string_view command, const Json& arguments, Deadline deadline, const Stop& stop);

  std::uint64_t event_position() const;
  Result<Event> next_event(std::uint64_t& position, Deadline deadline, const Stop& stop);
  // Everything that the process had written when this was called has been read when it returns.
  Status drain(Deadline deadline);
  bool connected() const;
  EventLog log() const;

 private:
  struct Shared;
  QmpClient(UniqueFd socket, QmpVersion version, LineSplitter splitter, EventLog log);
  void read_loop(LineSplitter splitter);

  UniqueFd socket_;
  QmpVersion version_;
  StopSource stop_;
  std::unique_ptr<Shared> shared_;
  std::jthread reader_;
};

// QEMU 9.0 or newer; kUnsupported says why: older ones can lose writes of a running TCG guest in a live move.
Status check_version(const QmpVersion& version);

}  // namespace sealift::hypervisor::qemu
