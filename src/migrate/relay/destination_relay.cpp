#include "base/check.hpp"
#include "migrate/relay/channels.hpp"
#include "migrate/relay/relay.hpp"

namespace sealift::migrate {

namespace {

constexpr Milliseconds kConnectWithin{10'000};

}  // namespace

struct DestinationRelay::Impl {
  transport::Session& session;
  file::Path socket;
  unsigned channels;
  Channels group;

  Status carry(unsigned channel);
  Result<net::UnixStream*> connect_in_order(unsigned channel);
  Status carry_back(net::UnixStream& from);
};

// QEMU tells its channels apart by the order of their connections: the main one first.
Result<net::UnixStream*> DestinationRelay::Impl::connect_in_order(unsigned channel) {
  SEALIFT_TRY_STATUS(group.wait(Deadline::never(), group.stop_token(), [&](const Channels::State& state) {
    return state.sockets.size() >= channel;
  }));
  auto connected = net::UnixStream::connect(socket, Deadline::in(kConnectWithin), group.stop_token());
  if (!connected) return because(connected.error(), "connecting to the incoming QEMU");
  return &group.add(std::move(*connected));
}

// Stream -> QEMU. The channel is connected when its first record is there.
Status DestinationRelay::Impl::carry(unsigned channel) {
  transport::StreamReader reader = session.reader(static_cast<transport::StreamId>(kMainStream + channel));
  net::UnixStream* to = nullptr;
  while (true) {
    const auto record = SEALIFT_TRY(reader.next(Deadline::never(), group.stop_token()));
    if (!record) break;
    if (to == nullptr) {
      to = SEALIFT_TRY(connect_in_order(channel));
      if (channel == 0) group.start([this, to] { return carry_back(*to); });
    }
    group.count(record->size());
    const Status written = to->write_all(*record, Deadline::never(), group.stop_token());
    if (!written) {
      if (group.stop_token().stopped()) return fail(Code::kCancelled, "cut");
      return because(written.error(), "the incoming QEMU takes no more of its migration channel");
    }
  }
  group.update([](Channels::State& state) { ++state.ended; });
  return {};
}

// The return path, as it comes: the source's daemon filters it (return_path.hpp).
Status DestinationRelay::Impl::carry_back(net::UnixStream& from) {
  transport::StreamWriter writer = session.writer(kMainStream);
  while (true) {
    const auto got =
        from.read_some(writer.buffer().first(kRelayReadBytes), Deadline::never(), group.stop_token());
    if (!got) {
      if (group.stop_token().stopped()) return fail(Code::kCancelled, "cut");
      return because(got.error(), "the incoming QEMU's return path broke");
    }
    if (*got == 0) return {};
    SEALIFT_TRY_STATUS(writer.commit(*got, Deadline::never(), group.stop_token()));
  }
}

DestinationRelay::DestinationRelay(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

DestinationRelay::~DestinationRelay() {
  cut();
}

Result<std::unique_ptr<DestinationRelay>> DestinationRelay::open(transport::Session& session,
                                                                 const file::Path& socket,
                                                                 unsigned channels) {
  SEALIFT_CHECK(channels >= 1 && channels <= kChannelsMax);
  std::unique_ptr<Impl> impl(
      new Impl{.session = session, .socket = socket, .channels = channels, .group = {}});
  Impl* shared = impl.get();
  for (unsigned channel = 0; channel < channels; ++channel) {
    impl->group.start([shared, channel] { return shared->carry(channel); });
  }
  return std::unique_ptr<DestinationRelay>(new DestinationRelay(std::move(impl)));
}

Status DestinationRelay::wait_drained(Deadline deadline, const Stop& stop) {
  return impl_->group.wait(deadline, stop,
                           [&](const Channels::State& state) { return state.ended == impl_->channels; });
}

void DestinationRelay::cut() {
  impl_->group.cut();
}

std::optional<Error> DestinationRelay::failure() const {
  return impl_->group.failure();
}

std::uint64_t DestinationRelay::bytes() const {
  return impl_->group.bytes();
}

}  // namespace sealift::migrate
