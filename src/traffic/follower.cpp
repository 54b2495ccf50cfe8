#include "traffic/follower.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "net/rpc.hpp"
#include "traffic/service.hpp"

namespace sealift::traffic {

namespace {

constexpr Milliseconds kLookEvery{1'000};
constexpr Milliseconds kAnswerMargin{2'000};  // beyond what the host holds an answer
constexpr Milliseconds kDialWithin{3'000};
constexpr Milliseconds kRedialFirst{20};
constexpr Milliseconds kRedialMax{1'000};
constexpr Milliseconds kRefusedMax{30'000};
constexpr Milliseconds kMembersEvery{30'000};

bool same(const Followed& a, const Followed& b) {
  return a.host == b.host && a.to.expected == b.to.expected && a.to.endpoints == b.to.endpoints;
}

bool refuses(Code code) {
  return code == Code::kUnauthorized || code == Code::kRefused || code == Code::kUnsupported;
}

// One host's stream, and when it was last heard.
class Line {
 public:
  Line(const Followed& followed, const crypto::Identity& identity, const std::string& certificate,
       Taker& taker)
      : host_(followed.host), client_(followed.to, identity, 1), taker_(taker) {
    request_.certificate = certificate;
  }

  Status next(const Stop& stop) {
    const Milliseconds longest = connected_ ? kWaitHold + kAnswerMargin : kDialWithin;
    const Json answer =
        SEALIFT_TRY(client_.call("traffic.wait", to_json(request_), Deadline::in(longest), stop));
    const Batch batch = SEALIFT_TRY(parse_batch(answer));
    heard_ = std::chrono::steady_clock::now();
    if (!std::exchange(connected_, true)) taker_.connected(host_);
    said_lost_ = false;
    taker_.take(host_, batch);
    request_.position = {batch.stream, batch.last};
    if (heard_ >= members_due_) {
      members_due_ = heard_ + kMembersEvery;
      const Json list =
          SEALIFT_TRY(client_.call("traffic.members", Json::object(), Deadline::in(kAnswerMargin), stop));
      taker_.members(SEALIFT_TRY(parse_member_list(list)));
    }
    return {};
  }
  void failed(const Error& error) {
    if (said_lost_ || (!refuses(error.code) && std::chrono::steady_clock::now() - heard_ < kLostAfter))
      return;
    said_lost_ = true;
    connected_ = false;
    taker_.lost(host_, error);
  }

 private:
  const ledger::HostName host_;
  net::RpcClient client_;
  Taker& taker_;
  WaitRequest request_;
  bool connected_ = false, said_lost_ = false;
  SteadyTime heard_ = std::chrono::steady_clock::now();
  SteadyTime members_due_{};
};

}  // namespace

Follower::Follower(const crypto::Identity& identity, std::string certificate, Hosts hosts, Taker& taker)
    : identity_(identity.clone()),
      certificate_(std::move(certificate)),
      hosts_(std::move(hosts)),
      taker_(taker) {
  looking_ = std::jthread([this] { look(stop_.token()); });
}

Follower::~Follower() {
  stop_.stop();
  if (looking_.joinable()) looking_.join();
}

void Follower::look(const Stop& stop) {
  do {
    std::vector<Followed> wanted = hosts_();
    for (Kept& kept : kept_) {
      if (std::ranges::none_of(wanted, [&](const Followed& to) { return same(to, kept.followed); })) {
        kept.stop.stop();
        taker_.lost(kept.followed.host, {Code::kNotFound, "it left the domain, or has another address"});
      }
    }
    kept_.remove_if([](const Kept& kept) { return kept.stop.stopped(); });  // joins
    for (Followed& followed : wanted) {
      if (std::ranges::any_of(kept_, [&](const Kept& kept) { return same(followed, kept.followed); }))
        continue;
      Kept& kept = kept_.emplace_back();
      kept.followed = std::move(followed);
      kept.followed.to.hello.purpose = kTrafficPurpose;
      kept.thread = std::jthread([this, &kept] { keep(kept.followed, kept.stop.token()); });
    }
  } while (!stop.sleep(kLookEvery));
  for (Kept& kept : kept_) kept.stop.stop();
  kept_.clear();
}

void Follower::keep(const Followed& followed, const Stop& stop) {
  Line line(followed, identity_, certificate_, taker_);
  Milliseconds pause = kRedialFirst;
  while (!stop.stopped()) {
    const Status heard = line.next(stop);
    if (heard) {
      pause = kRedialFirst;
      continue;
    }
    if (stop.stopped()) return;
    log_debug("traffic.line", {{"host", followed.host.text()}, {"ended", heard.error().message}});
    line.failed(heard.error());
    stop.sleep(pause);
    pause = std::min(pause * 2, refuses(heard.error().code) ? kRefusedMax : kRedialMax);
  }
}

}  // namespace sealift::traffic
