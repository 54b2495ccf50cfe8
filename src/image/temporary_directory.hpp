#pragma once

// For tests: a directory of its own, gone with its owner.

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "base/file.hpp"

namespace sealift::image::testing {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "sealift-XXXXXX").string();
    const char* made = ::mkdtemp(name.data());
    EXPECT_NE(made, nullptr);
    path_ = name;
  }
  ~TemporaryDirectory() { EXPECT_TRUE(file::remove_tree(path_)); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const file::Path& path() const { return path_; }
  file::Path operator/(std::string_view name) const { return path_ / name; }

 private:
  file::Path path_;
};

}  // namespace sealift::image::testing
