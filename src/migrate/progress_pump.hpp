#pragma once

// Copies a transfer's counters into the move's progress twice a second while it lives, and once more at its
// end.

#include <functional>
#include <thread>

#include "base/stop.hpp"

namespace sealift::migrate {

class ProgressPump {
 public:
  explicit ProgressPump(std::function<void()> pump) : pump_(std::move(pump)) {
    thread_ = std::jthread([this] {
      while (!stop_.token().sleep(Milliseconds{500})) pump_();
    });
  }
  ~ProgressPump() {
    stop_.stop();
    thread_.join();
    pump_();
  }
  ProgressPump(const ProgressPump&) = delete;
  ProgressPump& operator=(const ProgressPump&) = delete;

 private:
  std::function<void()> pump_;
  StopSource stop_;
  std::jthread thread_;
};

}  // namespace sealift::migrate
