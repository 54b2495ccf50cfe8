#include "hypervisor/qemu/qmp.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <mutex>
#include <set>

#include "base/log.hpp"
#include "hypervisor/qemu/unix_socket.hpp"

namespace sealift::hypervisor::qemu {

namespace {

constexpr std::size_t kEventsMax = 4096;
constexpr std::size_t kAbandonedMax = 64;
constexpr int kStaleLinesMax = 256;  // before the greeting
constexpr std::uint64_t kHandshakeId = 0;
constexpr Milliseconds kStopGlance{20};  // how often a waiter looks at its Stop

// Reads once what is there; true: bytes were read, false: nothing there now. kClosed: the other end is gone.
Result<bool> receive_into(int socket, LineSplitter* splitter) {
  std::array<std::uint8_t, 65536> buffer;
  const ssize_t got = ::recv(socket, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (got < 0 && errno != ECONNRESET) return fail_errno(errno, "QMP");
  if (got <= 0) return fail(Code::kClosed, "QEMU closed its monitor");
  SEALIFT_TRY_STATUS(splitter->feed(ByteView(buffer.data(), static_cast<std::size_t>(got))));
  return true;
}

Result<std::string> receive_line(int socket, LineSplitter* splitter, Deadline deadline, const Stop& stop) {
  while (true) {
    if (auto line = splitter->next()) return std::move(*line);
    SEALIFT_TRY_STATUS(wait_ready(socket, Readiness::kReadable, deadline, stop));
    SEALIFT_TRY(receive_into(socket, splitter));
  }
}

// QEMU serves one client after the other, and what the one before us did not read may come first: whole lines
// or the end of one. Nothing before the greeting is ours.
Result<QmpVersion> receive_greeting(int socket, LineSplitter* splitter, Deadline deadline, const Stop& stop) {
  for (int lines = 0; lines < kStaleLinesMax; ++lines) {
    const std::string line = SEALIFT_TRY(receive_line(socket, splitter, deadline, stop));
    const auto message = parse_qmp_line(line);
    if (message && message->greeting) return *message->greeting;
  }
  return fail(Code::kInvalid, "QMP: no greeting");
}

// QEMU's other threads may send events (a migration's passes, mostly) before its answer is out. Who connects
// while it still starts may be greeted twice; it answers after the second greeting.
Status receive_consent(int socket, LineSplitter* splitter, EventLog* log, Deadline deadline,
                       const Stop& stop) {
  for (std::size_t events = 0; events < kEventsMax; ++events) {
    const std::string line = SEALIFT_TRY(receive_line(socket, splitter, deadline, stop));
    QmpMessage message = SEALIFT_TRY(parse_qmp_line(line));
    if (message.event) {
      log->add(std::move(*message.event));
      continue;
    }
    if (message.greeting) continue;
    if (message.answer && message.answer->id == kHandshakeId && !message.answer->error) return {};
    return fail(
        Code::kInvalid, "QMP: capabilities were not negotiated: QEMU said {}",
        message.answer && message.answer->error ? message.answer->error->message : line.substr(0, 200));
  }
  return fail(Code::kInvalid, "QMP: capabilities were not negotiated: only events came");
}

Status send_all(int socket, std::string_view text, Deadline deadline, const Stop& stop) {
  while (!text.empty()) {
    const ssize_t sent = ::send(socket, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) {
      text.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      SEALIFT_TRY_STATUS(wait_ready(socket, Readiness::kWritable, deadline, stop));
    } else if (errno != EINTR) {
      return fail(Code::kUnavailable, "QEMU's monitor is gone");
    }
  }
  return {};
}

}  // namespace

void EventLog::add(Event event) {
  event.sequence = ++last;
  event.at = std::chrono::steady_clock::now();
  events.push_back(std::move(event));
  if (events.size() > kEventsMax) events.pop_front();
}

struct QmpClient::Shared {
  explicit Shared(EventLog log) { state.lock()->log = std::move(log); }

  struct State {
    std::uint64_t next_id = 1;
    std::optional<std::uint64_t> waiting;  // id of the command in flight
    std::optional<QmpAnswer> answer;
    std::set<std::uint64_t> abandoned;  // timed out; their answers are dropped
    EventLog log;
    std::uint64_t drain_wanted = 0;
    std::uint64_t drain_done = 0;
    std::optional<Error> lost;
  };
  Guarded<State> state;
  std::timed_mutex one_command;  // held from question to answer
  UniqueFd wake{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};

  Status take(QmpMessage message) {
    auto now = state.lock();
    if (message.event) {
      now->log.add(std::move(*message.event));
    } else if (message.answer && now->waiting == message.answer->id) {
      now->waiting.reset();
      now->answer = std::move(message.answer);
    } else if (!message.answer || now->abandoned.erase(message.answer->id) == 0) {
      return fail(Code::kInvalid, "QMP: an answer that nobody asked for");
    }
    return {};
  }

  void lose(Error error) {
    auto now = state.lock();
    now->lost = std::move(error);
    now->log.add(Event{.kind = EventKind::kLost, .word = "LOST"});
  }

  // Waits until ready(state) or the connection is lost. True: ready.
  template <class Ready>
  Result<bool> wait(Deadline deadline, const Stop& stop, Ready ready) {
    auto now = state.lock();
    const auto woken = [&](const State& s) { return s.lost.has_value() || ready(s); };
    while (!woken(*now)) {
      if (stop.stopped()) return fail(Code::kCancelled, "stopped");
      if (deadline.passed()) return fail(Code::kTimeout, "QEMU's monitor did not answer in time");
      now.wait_until(deadline.sooner(std::chrono::steady_clock::now() + kStopGlance), woken);
    }
    return ready(*now);
  }
};

QmpClient::QmpClient(UniqueFd socket, QmpVersion version, LineSplitter splitter, EventLog log)
    : socket_(std::move(socket)), version_(version), shared_(std::make_unique<Shared>(std::move(log))) {
  reader_ = std::jthread([this, lines = std::move(splitter)]() mutable { read_loop(std::move(lines)); });
}

QmpClient::~QmpClient() {
  stop_.stop();
}

Result<std::unique_ptr<QmpClient>> QmpClient::connect(const file::Path& path, Deadline deadline,
                                                      const Stop& stop, EventLog log) {
  UniqueFd socket = SEALIFT_TRY(connect_unix(path));
  LineSplitter splitter;
  const QmpVersion version = SEALIFT_TRY(receive_greeting(socket.get(), &splitter, deadline, stop));
  SEALIFT_TRY_STATUS(check_version(version));
  SEALIFT_TRY_STATUS(send_all(socket.get(),
                              fmt::format("{{\"execute\":\"qmp_capabilities\",\"id\":{}}}\n", kHandshakeId),
                              deadline, stop));
  SEALIFT_TRY_STATUS(receive_consent(socket.get(), &splitter, &log, deadline, stop));
  return std::unique_ptr<QmpClient>(
      new QmpClient(std::move(socket), version, std::move(splitter), std::move(log)));
}

void QmpClient::read_loop(LineSplitter splitter) {
  const Stop stop = stop_.token();
  const auto take_lines = [&]() -> Status {
    while (const auto line = splitter.next()) {
      QmpMessage message = SEALIFT_TRY(parse_qmp_line(*line));
      SEALIFT_TRY_STATUS(shared_->take(std::move(message)));
      shared_->state.notify_all();
    }
    return {};
  };
  const auto run = [&]() -> Status {
    SEALIFT_TRY_STATUS(take_lines());  // what came together with the last answer of the handshake
    while (true) {
      std::array<pollfd, 3> waits{{{.fd = socket_.get(), .events = POLLIN, .revents = 0},
                                   {.fd = stop.fd(), .events = POLLIN, .revents = 0},
                                   {.fd = shared_->wake.get(), .events = POLLIN, .revents = 0}}};
      if (::poll(waits.data(), waits.size(), -1) < 0 && errno != EINTR) return fail_errno(errno, "poll");
      if (stop.stopped()) return fail(Code::kClosed, "closed");
      std::uint64_t ignored = 0;
      [[maybe_unused]] const ssize_t woken = ::read(shared_->wake.get(), &ignored, sizeof(ignored));
      const std::uint64_t wanted = shared_->state.lock()->drain_wanted;
      while (true) {
        const bool more = SEALIFT_TRY(receive_into(socket_.get(), &splitter));
        SEALIFT_TRY_STATUS(take_lines());
        if (!more) break;
      }
      shared_->state.lock()->drain_done = wanted;
      shared_->state.notify_all();
    }
  };
  const Status ended = run();
  if (ended.error().code == Code::kInvalid) log_error("qmp.broken", {{"why", ended.error().message}});
  ::shutdown(socket_.get(), SHUT_RDWR);
  shared_->lose(ended.error());
  shared_->state.notify_all();
}

Result<Json> QmpClient::call(std::string_view command, const Json& arguments, Deadline deadline,
                             const Stop& stop) {
  std::unique_lock mine(shared_->one_command, std::defer_lock);
  if (!deadline.at()) {
    mine.lock();
  } else if (!mine.try_lock_until(*deadline.at())) {
    return fail(Code::kTimeout, "{}: another command to QEMU has no answer yet", command);
  }
  std::uint64_t id = 0;
  {
    auto now = shared_->state.lock();
    if (now->lost) return fail(Code::kUnavailable, "{}: {}", command, now->lost->message);
    if (now->abandoned.size() >= kAbandonedMax)
      return fail(Code::kUnavailable, "{}: QEMU's monitor hangs", command);
    id = now->next_id++;
    now->answer.reset();
    now->waiting = id;
  }
  const auto abandon = [&] {
    auto now = shared_->state.lock();
    now->waiting.reset();
    now->abandoned.insert(id);
  };
  Json question = {{"execute", command}, {"id", id}};
  if (!arguments.is_null()) question["arguments"] = arguments;
  const Status sent = send_all(socket_.get(), json::dump(question) + "\n", deadline, stop);
  if (!sent) {
    abandon();
    return because(sent.error(), command);
  }
  const auto answered =
      shared_->wait(deadline, stop, [](const Shared::State& s) { return s.answer.has_value(); });
  if (!answered) {
    abandon();
    return because(answered.error(), command);
  }
  auto now = shared_->state.lock();
  if (!*answered) return fail(Code::kUnavailable, "{}: {}", command, now->lost->message);
  if (now->answer->error) return because(*now->answer->error, command);
  return std::move(now->answer->value);
}

std::uint64_t QmpClient::event_position() const {
  return shared_->state.lock()->log.last;
}

Result<Event> QmpClient::next_event(std::uint64_t& position, Deadline deadline, const Stop& stop) {
  const std::uint64_t wanted = position + 1;
  const bool there = SEALIFT_TRY(
      shared_->wait(deadline, stop, [&](const Shared::State& s) { return s.log.last >= wanted; }));
  if (!there) return fail(Code::kUnavailable, "QEMU's monitor is gone: no more events");
  auto now = shared_->state.lock();
  const std::uint64_t first = now->log.events.front().sequence;
  if (wanted < first) return fail(Code::kExhausted, "events {} to {} are gone", wanted, first - 1);
  position = wanted;
  return now->log.events[wanted - first];
}

Status QmpClient::drain(Deadline deadline) {
  const std::uint64_t wanted = ++shared_->state.lock()->drain_wanted;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t wrote = ::write(shared_->wake.get(), &one, sizeof(one));
  const bool done = SEALIFT_TRY(
      shared_->wait(deadline, Stop(), [&](const Shared::State& s) { return s.drain_done >= wanted; }));
  if (!done) return fail(Code::kUnavailable, "QEMU's monitor is gone");
  return {};
}

EventLog QmpClient::log() const {
  return shared_->state.lock()->log;
}

bool QmpClient::connected() const {
  return !shared_->state.lock()->lost.has_value();
}

}  // namespace sealift::hypervisor::qemu
