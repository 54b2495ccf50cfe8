#include "app/haproxy_follow.hpp"

#include "base/log.hpp"

namespace sealift::app {

namespace {

constexpr Milliseconds kLook{2'000};
constexpr Milliseconds kAgain{1'000};

}  // namespace

Result<std::unique_ptr<HaproxyFollow>> HaproxyFollow::start(
    const file::Path& state_file, std::vector<traffic::HaproxyServer> servers, const ledger::HostName& self,
    const crypto::Identity& identity, traffic::EventStream& stream, traffic::Follower::Hosts hosts) {
  std::unique_ptr<HaproxyFollow> follow(new HaproxyFollow());
  follow->end_ = SEALIFT_TRY(traffic::HaproxyEnd::open(state_file, std::move(servers)));
  follow->own_ =
      std::jthread([f = follow.get(), self, &stream] { f->read_own(self, stream, f->stop_.token()); });
  follow->follower_ = std::make_unique<traffic::Follower>(identity, "", std::move(hosts), *follow->end_);
  return follow;
}

HaproxyFollow::~HaproxyFollow() {
  stop_.stop();
  follower_.reset();
  if (own_.joinable()) own_.join();
}

void HaproxyFollow::read_own(const ledger::HostName& self, traffic::EventStream& stream, const Stop& stop) {
  const auto reader = stream.enter(self.text());
  traffic::Position position;
  while (!stop.stopped()) {
    const auto batch = reader->wait(position, Deadline::in(kLook), stop);
    if (batch) {
      end_->take(self, *batch);
      position = {batch->stream, batch->last};
    } else if (!stop.stopped()) {
      log_error("haproxy.own_stream", {{"error", batch.error().message}});
      stop.sleep(kAgain);
    }
  }
}

}  // namespace sealift::app
