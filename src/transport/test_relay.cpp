#include "transport/test_relay.hpp"

#include <atomic>
#include <future>

#include "transport/attach.hpp"

namespace sealift::transport::testing {

struct Relay::Pair {
  std::optional<net::TcpStream> near, far;
  std::size_t number = 0;
  std::promise<bool> bulk;
  std::shared_future<bool> is_bulk = bulk.get_future().share();  // asked by both directions
  std::atomic<std::uint16_t> link = 0;

  net::TcpStream& from(Way way) { return way == Way::kForward ? *near : *far; }
  net::TcpStream& to(Way way) { return way == Way::kForward ? *far : *near; }
  void cut() {
    near->close();
    far->close();
  }
};

Relay::Relay(net::Endpoint target, Hook hook)
    : target_(std::move(target)),
      listener_(std::move(*net::TcpListener::listen({"127.0.0.1", 0}))),
      hook_(std::move(hook)),
      accepting_([this] { accept_loop(); }) {}

Relay::~Relay() {
  stop_.stop();
  accepting_.join();
  cut_all();
  threads_.clear();
}

void Relay::set_hook(Hook hook) {
  const std::scoped_lock lock(hook_mutex_);
  hook_ = std::move(hook);
}

void Relay::cut_all() {
  const std::scoped_lock lock(mutex_);
  for (const auto& pair : pairs_) pair->cut();
}

void Relay::refuse(bool refusing) {
  const std::scoped_lock lock(mutex_);
  refusing_ = refusing;
}

std::size_t Relay::connections() const {
  const std::scoped_lock lock(mutex_);
  return pairs_.size();
}

void Relay::accept_loop() {
  while (true) {
    auto near = listener_.accept(Deadline::never(), stop_.token());
    if (!near) return;
    {
      const std::scoped_lock lock(mutex_);
      if (refusing_) continue;
    }
    auto far = net::TcpStream::connect(target_, Deadline::in(Milliseconds{5'000}), stop_.token());
    if (!far) continue;
    near->set_no_delay(true);
    far->set_no_delay(true);
    const std::scoped_lock lock(mutex_);
    if (refusing_) continue;  // since it was accepted: cut_all() has not seen it
    auto pair = std::make_shared<Pair>();
    pair->near.emplace(std::move(*near));
    pair->far.emplace(std::move(*far));
    pair->number = pairs_.size();
    pairs_.push_back(pair);
    for (const Way way : {Way::kForward, Way::kBack}) {
      threads_.emplace_back([this, pair, way] {
        pump(pair, way);
        pair->cut();
      });
    }
  }
}

Status Relay::pass(Pair& pair, Unit unit) {
  unit.connection = pair.number;
  unit.link = pair.link;
  unit.out = {unit.bytes};
  const Way way = unit.way;
  {
    const std::scoped_lock lock(hook_mutex_);
    if (hook_) hook_(unit);
  }
  for (const Bytes& bytes : unit.out) {
    if (!bytes.empty()) {
      SEALIFT_TRY_STATUS(pair.to(way).write_all(bytes, Deadline::never(), stop_.token()));
    }
  }
  if (unit.cut) return fail(Code::kClosed, "cut by the test");
  return {};
}

void Relay::pump(const std::shared_ptr<Pair>& pair, Way way) {
  net::TcpStream& from = pair->from(way);
  const Deadline never = Deadline::never();
  const auto whole = [&](Unit::Kind kind, std::size_t size) {
    Unit unit{.kind = kind, .way = way, .bytes = Bytes(size)};
    if (!net::read_exact(from, unit.bytes, never, stop_.token())) return false;
    if (kind == Unit::Kind::kAttachRequest) pair->link = load_be16(&unit.bytes[6]);
    return static_cast<bool>(pass(*pair, std::move(unit)));
  };
  if (way == Way::kForward) {  // the dialler speaks first, and so says what this connection is
    std::uint8_t first = 0;
    const auto peeked = from.peek({&first, 1}, never, stop_.token());
    pair->bulk.set_value(peeked && *peeked == 1 && first == 'B');
  }
  const bool bulk = pair->is_bulk.get();
  if (!bulk) {
    Bytes some(64 * 1024);
    while (true) {
      const auto got = from.read_some(some, never, stop_.token());
      if (!got || *got == 0) return;
      Unit unit{.kind = Unit::Kind::kTls,
                .way = way,
                .bytes = Bytes(some.begin(), some.begin() + static_cast<std::ptrdiff_t>(*got))};
      if (!pass(*pair, std::move(unit))) return;
    }
  }
  if (way == Way::kForward) {
    if (!whole(Unit::Kind::kAttachRequest, kAttachRequestBytes) || !whole(Unit::Kind::kAttachProof, 32))
      return;
  } else if (!whole(Unit::Kind::kAttachAnswer, kAttachNonceBytes + 32)) {
    return;
  }
  while (true) {
    Unit unit{.kind = Unit::Kind::kRecord, .way = way, .bytes = Bytes(kRecordHeaderBytes)};
    if (!net::read_exact(from, unit.bytes, never, stop_.token())) return;
    const auto header = decode_record_header(
        std::span<const std::uint8_t, kRecordHeaderBytes>(unit.bytes.data(), kRecordHeaderBytes));
    if (!header) return;
    unit.header = *header;
    unit.bytes.resize(kRecordOverheadBytes + header->length);
    if (!net::read_exact(from, MutableByteView(unit.bytes).subspan(kRecordHeaderBytes), never,
                         stop_.token())) {
      return;
    }
    if (!pass(*pair, std::move(unit))) return;
  }
}

}  // namespace sealift::transport::testing
