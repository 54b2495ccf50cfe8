#pragma once

// The balancer follows the moves of a domain: reads the event streams of all its hosts with the certificate
// that `sealift balance enrol` got, and hands them to the balancer. The list of hosts is kept up to date by
// what they say, and written back for the next start.

#include "balance/balancer.hpp"
#include "traffic/enrolment.hpp"

namespace sealift::app {

class BalanceFollow final : public traffic::Taker {
 public:
  // kNotFound: not enrolled.
  static Result<std::unique_ptr<BalanceFollow>> start(const file::Path& directory,
                                                      balance::Balancer& balancer);
  ~BalanceFollow() override;

  // Nothing would change by starting again.
  bool current(const file::Path& directory) const;

  void take(const ledger::HostName& host, const traffic::Batch& batch) override;
  void connected(const ledger::HostName& host) override;
  void lost(const ledger::HostName& host, const Error& why) override;
  void members(const traffic::MemberList& list) override;

 private:
  BalanceFollow(file::Path directory, traffic::Enrolment enrolment, balance::Balancer& balancer)
      : directory_(std::move(directory)), balancer_(balancer), enrolment_(std::move(enrolment)) {}

  const file::Path directory_;
  balance::Balancer& balancer_;
  mutable Guarded<traffic::Enrolment> enrolment_;
  std::unique_ptr<traffic::Follower> follower_;
};

}  // namespace sealift::app
