#pragma once

// Reads operators' TOML files (VM definition, host, balancer) and collects every problem with file, line
// and key, so that a file is validated whole: "vm.toml:4: key 'memory': …", one a line. Keys that nobody
// asked for are problems too. toml++ stays behind this header.

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace sealift {

namespace detail {
struct TomlDocument;
struct TomlNode;
}  // namespace detail

// One table of the file; cheap to copy, valid as long as its TomlFile. A getter of a key that is absent
// returns nothing and is no problem; one of a wrong type or value is a problem and returns nothing.
class TomlTable {
 public:
  std::optional<std::string> text(std::string_view key);
  std::optional<bool> boolean(std::string_view key);
  std::optional<std::uint64_t> number(std::string_view key, std::uint64_t least, std::uint64_t most);
  std::optional<std::uint64_t> size(std::string_view key);  // 4096, "512MiB", "2GiB"
  std::optional<std::size_t> choice(std::string_view key, std::initializer_list<std::string_view> words);
  std::optional<std::vector<std::string>> texts(std::string_view key);
  std::optional<TomlTable> table(std::string_view key);           // [key]
  std::vector<TomlTable> tables(std::string_view key);            // [[key]]
  std::vector<std::pair<std::string, TomlTable>> named_tables();  // every key of this table is a table

  bool has(std::string_view key) const;
  // "file:line: key 'x': message"; the line of the table itself where the key is absent.
  void problem(std::string_view key, std::string_view message);
  void require(std::string_view key);  // a problem when it is absent

 private:
  friend class TomlFile;
  TomlTable(detail::TomlDocument* document, detail::TomlNode* node) : document_(document), node_(node) {}
  detail::TomlNode* find(std::string_view key);
  detail::TomlDocument* document_;
  detail::TomlNode* node_;
};

class TomlFile {
 public:
  // kInvalid: not TOML ("file:line: …").
  static Result<TomlFile> parse(std::string_view text, std::string_view file_name);
  TomlFile(TomlFile&&) noexcept;
  TomlFile& operator=(TomlFile&&) = delete;
  ~TomlFile();

  TomlTable root();
  // Every problem so far and every key that nobody asked for, in the order of lines; fine when there is none.
  Status finish();

 private:
  explicit TomlFile(std::unique_ptr<detail::TomlDocument> document);
  std::unique_ptr<detail::TomlDocument> document_;
};

// "512MiB" -> bytes; KiB, MiB, GiB, TiB, their first letters, or plain bytes. kInvalid.
Result<std::uint64_t> parse_size(std::string_view text);
std::string format_size(std::uint64_t bytes);  // the largest unit that divides it

}  // namespace sealift
