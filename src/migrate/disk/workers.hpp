#pragma once

// A round's threads: the first failure stops all, and so does the caller's Stop.

#include <functional>

#include "base/stop.hpp"

namespace sealift::migrate {

// Runs work(0) … work(workers - 1) in threads of their own and waits for all. The Stop that they are given is
// pulled by the caller's and by the first failure, which is returned.
Status run_workers(unsigned workers, const Stop& stop,
                   const std::function<Status(unsigned worker, const Stop& stop)>& work);

}  // namespace sealift::migrate
