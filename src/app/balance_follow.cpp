#include "app/balance_follow.hpp"

#include "base/log.hpp"

namespace sealift::app {

namespace {

constexpr std::chrono::days kSayExpiry{30};

balance::MovePhase phase_of(traffic::MoveEventKind kind) {
  switch (kind) {
    case traffic::MoveEventKind::kMoving: return balance::MovePhase::kMoving;
    case traffic::MoveEventKind::kSwitching: return balance::MovePhase::kSwitching;
    case traffic::MoveEventKind::kMoved: return balance::MovePhase::kMoved;
    case traffic::MoveEventKind::kAborted: return balance::MovePhase::kAborted;
  }
  return balance::MovePhase::kAborted;
}

// A host that publishes what is no address doesn't keep the hold from ending.
std::optional<balance::Address> address_of(const traffic::MoveEvent& event) {
  if (event.address.empty()) return std::nullopt;
  const auto address = balance::Address::parse(event.address);
  if (address) return *address;
  log_warning("balance.move_address", {{"vm", event.name}, {"error", address.error().message}});
  return std::nullopt;
}

}  // namespace

Result<std::unique_ptr<BalanceFollow>> BalanceFollow::start(const file::Path& directory,
                                                            balance::Balancer& balancer) {
  traffic::EnrolledBalancer enrolled = SEALIFT_TRY(traffic::load_enrolment(directory));
  const std::string certificate = enrolled.enrolment.certificate;
  const auto said = SEALIFT_TRY(traffic::parse_certificate(as_bytes(certificate))).said;
  if (system_clock().wall() + kSayExpiry > said.until)
    log_warning("balance.enrolment_expires", {{"at", to_iso8601(said.until)}, {"do", "enrol again"}});
  std::unique_ptr<BalanceFollow> follow(
      new BalanceFollow(directory, std::move(enrolled.enrolment), balancer));
  for (const auto& host : traffic::hosts_of(*follow->enrolment_.lock()))
    follow->lost(host.host, {Code::kUnavailable, "not connected yet"});
  follow->follower_ = std::make_unique<traffic::Follower>(
      enrolled.identity, certificate,
      [self = follow.get()] { return traffic::hosts_of(*self->enrolment_.lock()); }, *follow);
  return follow;
}

BalanceFollow::~BalanceFollow() {
  follower_.reset();
}

bool BalanceFollow::current(const file::Path& directory) const {
  if (directory != directory_) return false;
  const auto stored = traffic::load_enrolment(directory_);
  return stored && stored->enrolment.certificate == enrolment_.lock()->certificate;
}

void BalanceFollow::take(const ledger::HostName& host, const traffic::Batch& batch) {
  if (batch.events.empty() && !batch.whole) return;
  const Status taken = balancer_.follow(
      [&](balance::MoveFollower& follower, balance::Registry& registry, SteadyTime now) -> Status {
        if (batch.whole) {
          std::set<std::string> vms;
          for (const traffic::MoveEvent& event : batch.events) vms.insert(event.vm.text());
          follower.told_whole(host.text(), vms, registry, now);
        }
        for (const traffic::MoveEvent& event : batch.events)
          SEALIFT_TRY_STATUS(follower.apply({event.vm.text(), event.name, event.epoch.value,
                                             phase_of(event.kind), event.from.text(), address_of(event)},
                                            registry, now));
        return {};
      });
  if (!taken) log_warning("balance.move_event", {{"host", host.text()}, {"error", taken.error().message}});
}

void BalanceFollow::connected(const ledger::HostName& host) {
  log_info("balance.following", {{"host", host.text()}});
  (void)balancer_.follow([&](balance::MoveFollower& follower, balance::Registry&, SteadyTime) -> Status {
    follower.stream_connected(host.text());
    return {};
  });
}

void BalanceFollow::lost(const ledger::HostName& host, const Error& why) {
  log_warning("balance.not_following", {{"host", host.text()}, {"why", why.message}});
  (void)balancer_.follow(
      [&](balance::MoveFollower& follower, balance::Registry& registry, SteadyTime now) -> Status {
        follower.stream_lost(host.text(), why.message, registry, now);
        return {};
      });
}

void BalanceFollow::members(const traffic::MemberList& list) {
  auto enrolment = enrolment_.lock();
  if (list.height <= enrolment->members.height) return;
  const bool changed = list.members != enrolment->members.members;
  enrolment->members = list;
  if (!changed) return;
  if (const Status kept = traffic::save_enrolment(directory_, *enrolment); !kept)
    log_warning("balance.enrolment_unsaved", {{"error", kept.error().message}});
}

}  // namespace sealift::app
