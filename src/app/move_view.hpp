#pragma once

// How a move looks on the screen: on a terminal lines that are redrawn in place, elsewhere a line per change.

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "base/json.hpp"

namespace sealift::app {

class MoveView {
 public:
  explicit MoveView(bool terminal) : terminal_(terminal) {}
  // What pre-flight found, once: checks, warnings, what to expect, the map. Of an answer to the question too.
  void head(const Json& move);
  // move: an answer of GET /v1/moves/ID.
  void update(const Json& move);
  // The closing report: done, pause and its parts, what was verified, source, receipt; or why nothing moved.
  void finish(const Json& move);
  // Every reason, numbered.
  static void refused(const Json& answer, const std::string& vm);

 private:
  struct Line {
    std::string text;
    bool grows = false;  // changes all the time: elsewhere than on a terminal once a second is enough
  };
  struct Last {
    std::string text;
    std::chrono::steady_clock::time_point at{};
  };
  void show(const std::vector<Line>& lines, bool ended);

  bool terminal_;
  bool headed_ = false;
  std::size_t drawn_lines_ = 0;
  std::map<std::string, Last> last_;  // by label, where it is no terminal
};

}  // namespace sealift::app
