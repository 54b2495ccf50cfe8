#include <algorithm>

#include "transport/link_connection.hpp"

namespace sealift::transport {

Status Link::run(net::TcpStream stream, const crypto::Digest& attachment) {
  stream.set_no_delay(true);
  stream.set_buffers(2 * 1024 * 1024, 2 * 1024 * 1024);
  Connection connection{
      .stream = std::move(stream),
      .sealer = crypto::Sealer(link_key(context_.secret, context_.side, attachment)),
      .opener = crypto::Opener(link_key(context_.secret, other(context_.side), attachment))};
  {
    std::unique_lock lock(mutex_);
    if (current_ != nullptr) {
      current_->ended = true;
      current_->stream.close();
    }
    changed_.notify_all();
    changed_.wait(lock, [&] { return current_ == nullptr; });
    current_ = &connection;
    if (std::exchange(was_connected_, true)) context_.reconnects.fetch_add(1);
  }
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
    changed_.notify_all();
  }
  {
    const std::scoped_lock lock(mutex_);
    current_ = nullptr;
    lost_at_ = std::chrono::steady_clock::now();
  }
  changed_.notify_all();
  for (const Status* status : {&received, &sent}) {
    if (!*status && status->error().code == Code::kCorrupt) context_.fail(status->error());
  }
  return received ? sent : received;
}

std::optional<SteadyTime> Link::lost_since() const {
  const std::scoped_lock lock(mutex_);
  if (current_ != nullptr) return std::nullopt;
  return lost_at_;
}

Status Link::wait_room(StreamId id, Deadline deadline, const Stop& stop) {
  std::unique_lock lock(mutex_);
  Outgoing& stream = outgoing_[id];
  return context_.wait(changed_, lock, deadline, stop, [&] {
    return stream.kept.empty() || stream.bytes + kSealedBytesMax <= context_.agreed.window_bytes;
  });
}

void Link::commit(StreamId id, SealedPtr record) {
  {
    const std::scoped_lock lock(mutex_);
    Outgoing& stream = outgoing_[id];
    stream.bytes += record->size;
    stream.kept.push_back(std::move(record));
  }
  changed_.notify_all();
}

Status Link::wait_taken(StreamId id, Deadline deadline, const Stop& stop) {
  std::unique_lock lock(mutex_);
  Outgoing& stream = outgoing_[id];
  return context_.wait(changed_, lock, deadline, stop, [&] { return stream.kept.empty(); });
}

bool Link::all_taken() const {
  const std::scoped_lock lock(mutex_);
  return std::ranges::all_of(outgoing_, [](const auto& entry) { return entry.second.kept.empty(); });
}

Result<SealedPtr> Link::next(StreamId id, Deadline deadline, const Stop& stop) {
  std::unique_lock lock(mutex_);
  Incoming& stream = incoming_[id];
  SEALIFT_TRY_STATUS(context_.wait(changed_, lock, deadline, stop, [&] { return !stream.arrived.empty(); }));
  SealedPtr record = std::move(stream.arrived.front());
  stream.arrived.pop_front();
  return record;
}

void Link::done_with(StreamId id, std::size_t bytes) {
  bool wake = false;
  {
    const std::scoped_lock lock(mutex_);
    Incoming& stream = incoming_[id];
    ++stream.taken;
    stream.bytes -= bytes;
    stream.untold_bytes += bytes;
    if (!untold_since_) untold_since_ = std::chrono::steady_clock::now();
    wake = stream.untold_bytes >= context_.agreed.window_bytes / 8 || stream.arrived.empty();
  }
  if (wake) changed_.notify_all();
}

}  // namespace sealift::transport
