#pragma once

// How a move looks on the screen: on a terminal lines that are redrawn in place, elsewhere a line per change.

#include <map>
#include <string>
#include <vector>

#include "base/json.hpp"

namespace sealift::app {

class MoveView {
 public:
  explicit MoveView(bool terminal) : terminal_(terminal) {}
  // move: an answer of GET /v1/moves/ID.
  void update(const Json& move);
  // The closing report: done, pause and its parts, what was verified, source, receipt.
  void finish(const Json& move);

 private:
  void show(const std::vector<std::string>& lines);

  bool terminal_;
  std::size_t drawn_lines_ = 0;
  std::map<std::string, std::string> last_;  // label -> line, where it is no terminal
};

}  // namespace sealift::app
