#pragma once

// Bell: wakes threads that wait for the chain to grow, together with their Stop (a condition variable could
// not).
//   Bell::Ear ear(bell);  while (!condition) SEALIFT_TRY_STATUS(ear.wait(deadline, stop));
// The ear is there before the condition is looked at, so that no ringing is missed.

#include <sys/eventfd.h>
#include <unistd.h>

#include <set>

#include "base/file.hpp"
#include "base/guarded.hpp"
#include "base/stop.hpp"

namespace sealift::ledger {

class Bell {
 public:
  class Ear {
   public:
    explicit Ear(Bell& bell) : bell_(bell), fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
      if (fd_) bell_.ears_.lock()->insert(fd_.get());
    }
    ~Ear() { bell_.ears_.lock()->erase(fd_.get()); }
    Ear(const Ear&) = delete;
    Ear& operator=(const Ear&) = delete;

    Status wait(Deadline deadline, const Stop& stop) {
      if (!fd_)
        return fail(Code::kExhausted, "no descriptor left to wait with: raise the limit of open files");
      SEALIFT_TRY_STATUS(wait_ready(fd_.get(), Readiness::kReadable, deadline, stop));
      std::uint64_t count = 0;
      if (::read(fd_.get(), &count, sizeof count) < 0) return {};  // somebody's earlier wait took it
      return {};
    }

   private:
    Bell& bell_;
    UniqueFd fd_;
  };

  void ring() {
    const std::uint64_t one = 1;
    auto ears = ears_.lock();
    for (const int fd : *ears) {
      if (::write(fd, &one, sizeof one) < 0) continue;  // full already: it will wake
    }
  }

 private:
  Guarded<std::set<int>> ears_;
};

}  // namespace sealift::ledger
