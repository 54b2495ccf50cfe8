#include "migrate/disk/workers.hpp"

#include <atomic>
#include <thread>
#include <vector>

#include <poll.h>

#include "base/guarded.hpp"

namespace sealift::migrate {

namespace {

void wait_for_either(const Stop& a, const Stop& b) {
  std::array<pollfd, 2> fds{};
  fds[0] = {.fd = a.fd(), .events = POLLIN, .revents = 0};
  fds[1] = {.fd = b.fd(), .events = POLLIN, .revents = 0};
  while (!a.stopped() && !b.stopped()) static_cast<void>(::poll(fds.data(), fds.size(), -1));
}

}  // namespace

Status run_workers(unsigned workers, const Stop& stop,
                   const std::function<Status(unsigned worker, const Stop& stop)>& work) {
  StopSource failing;
  StopSource all_done;
  std::atomic<unsigned> running{workers};
  Guarded<Status> outcome;
  const auto run = [&](unsigned worker) {
    Status done = work(worker, failing.token());
    if (!done) {
      auto first = outcome.lock();
      if (*first) *first = std::move(done);
      failing.stop();
    }
    if (--running == 0) all_done.stop();
  };
  std::vector<std::jthread> threads;
  threads.reserve(workers);
  for (unsigned worker = 0; worker < workers; ++worker) threads.emplace_back(run, worker);
  wait_for_either(stop, all_done.token());
  if (running != 0) failing.stop();
  threads.clear();  // joins
  return *outcome.lock();
}

}  // namespace sealift::migrate
