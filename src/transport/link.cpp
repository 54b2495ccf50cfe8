#include <algorithm>

#include "transport/link_connection.hpp"

namespace sealift::transport {

// Waits until the connection before has ended (it is told to). False: a newer one came meanwhile.
bool Link::enter(Connection& connection) {
  std::unique_lock lock(mutex_);
  const std::uint64_t own = ++newest_;
  gone_.notify_all();
  while (current_ != nullptr && newest_ == own) {
    current_->ended = true;
    current_->stream.close();
    to_send_.notify_all();
    gone_.wait(lock);
  }
  if (newest_ != own) return false;
  current_ = &connection;
  if (std::exchange(was_connected_, true)) context_.reconnects.fetch_add(1);
  return true;
}

Status Link::run(net::TcpStream stream, const crypto::Digest& attachment) {
  // Its buffers are the kernel's to size, by the path: a fixed size was no faster here and caps a long path.
  stream.set_no_delay(true);
  Connection connection{
      .stream = std::move(stream),
      .sealer = crypto::Sealer(link_key(context_.secret, context_.side, attachment)),
      .opener = crypto::Opener(link_key(context_.secret, other(context_.side), attachment))};
  if (!enter(connection)) return fail(Code::kUnavailable, "replaced by a newer connection");
  Status sent;
  Status received;
  {
    std::jthread sender([&] {
      sent = send_all(connection);
      connection.stream.close();  // wakes the receiver
    });
    received = receive_all(connection);
    connection.stream.close();
    {
      const std::scoped_lock lock(mutex_);
      connection.ended = true;
    }
    to_send_.notify_all();
  }
  for (const Status* status : {&received, &sent}) {
    if (!*status && status->error().code == Code::kCorrupt) context_.fail(status->error());
  }
  {
    const std::scoped_lock lock(mutex_);
    current_ = nullptr;
    lost_at_ = std::chrono::steady_clock::now();
    gone_.notify_all();
  }
  return received ? sent : received;
}

std::optional<SteadyTime> Link::lost_since() const {
  const std::scoped_lock lock(mutex_);
  if (current_ != nullptr) return std::nullopt;
  return lost_at_;
}

void Link::wake() {
  const std::scoped_lock lock(mutex_);
  to_send_.notify_all();
  for (auto& [id, stream] : outgoing_) stream.changed.notify_all();
  for (auto& [id, stream] : incoming_) stream.changed.notify_all();
}

Status Link::wait_room(StreamId id, Deadline deadline, const Stop& stop) {
  std::unique_lock lock(mutex_);
  if (!outgoing_.contains(id) && outgoing_.size() >= context_.agreed.streams_max) {
    return fail(Code::kExhausted, "more streams than the {} that were agreed", context_.agreed.streams_max);
  }
  Outgoing& stream = outgoing_[id];
  return context_.wait(stream.changed, lock, deadline, stop, [&] {
    return stream.kept.empty() || stream.bytes + Sealed::kCostMax <= context_.agreed.window_bytes;
  });
}

// Whoever is woken here and below needs the lock at once: it is given back first.
void Link::commit(StreamId id, SealedPtr record) {
  {
    const std::scoped_lock lock(mutex_);
    Outgoing& stream = outgoing_[id];
    stream.bytes += record->cost();
    stream.kept.push_back(std::move(record));
  }
  to_send_.notify_one();
}

Status Link::wait_taken(StreamId id, Deadline deadline, const Stop& stop) {
  std::unique_lock lock(mutex_);
  Outgoing& stream = outgoing_[id];
  return context_.wait(stream.changed, lock, deadline, stop, [&] { return stream.kept.empty(); });
}

bool Link::all_taken() const {
  const std::scoped_lock lock(mutex_);
  return std::ranges::all_of(outgoing_, [](const auto& entry) { return entry.second.kept.empty(); });
}

Result<SealedPtr> Link::next(StreamId id, Deadline deadline, const Stop& stop) {
  std::unique_lock lock(mutex_);
  Incoming& stream = incoming_[id];
  SEALIFT_TRY_STATUS(
      context_.wait(stream.changed, lock, deadline, stop, [&] { return !stream.arrived.empty(); }));
  SealedPtr record = std::move(stream.arrived.front());
  stream.arrived.pop_front();
  return record;
}

void Link::done_with(StreamId id, std::size_t cost) {
  bool tell = false;
  {
    const std::scoped_lock lock(mutex_);
    Incoming& stream = incoming_[id];
    ++stream.taken;
    stream.bytes -= cost;
    stream.untold_bytes += cost;
    tell = !untold_since_ || stream.untold_bytes >= tell_after_bytes();
    if (!untold_since_) untold_since_ = std::chrono::steady_clock::now();
  }
  if (tell) to_send_.notify_one();
}

}  // namespace sealift::transport
