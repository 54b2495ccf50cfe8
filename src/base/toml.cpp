#include "base/toml.hpp"

#include <algorithm>
#include <map>
#include <variant>

// Debian ships toml++ as a library built with exceptions; they end in this file.
#include <toml++/toml.h>

namespace sealift {

namespace detail {

struct TomlNode {
  std::size_t line = 0;
  bool asked = false;
  std::string key;
  std::variant<std::monostate, std::string, std::int64_t, bool> scalar;  // monostate: of no use to us
  bool is_table = false;
  bool is_list = false;
  std::map<std::string, std::unique_ptr<TomlNode>, std::less<>> children;
  std::vector<std::unique_ptr<TomlNode>> items;
};

struct TomlDocument {
  std::string file_name;
  TomlNode root;
  struct Problem {
    std::size_t line;
    std::string key;
    std::string message;
  };
  std::vector<Problem> problems;

  // The first word about a key is the one that counts.
  void add(std::size_t line, std::string_view key, std::string_view message) {
    for (const Problem& known : problems) {
      if (known.line == line && known.key == key) return;
    }
    problems.push_back({line, std::string(key), std::string(message)});
  }
};

}  // namespace detail

namespace {

using detail::TomlDocument;
using detail::TomlNode;

void convert(const toml::node& from, std::string key, TomlNode* to) {
  to->line = from.source().begin.line;
  to->key = std::move(key);
  if (const auto* table = from.as_table()) {
    to->is_table = true;
    for (const auto& [name, value] : *table) {
      auto child = std::make_unique<TomlNode>();
      convert(value, std::string(name.str()), child.get());
      to->children.emplace(std::string(name.str()), std::move(child));
    }
  } else if (const auto* list = from.as_array()) {
    to->is_list = true;
    for (const auto& value : *list) {
      auto item = std::make_unique<TomlNode>();
      convert(value, to->key, item.get());
      to->items.push_back(std::move(item));
    }
  } else if (const auto* text = from.as_string()) {
    to->scalar = text->get();
  } else if (const auto* number = from.as_integer()) {
    to->scalar = number->get();
  } else if (const auto* boolean = from.as_boolean()) {
    to->scalar = boolean->get();
  }
}

// A key that nobody asked for is one problem; what is below it is not looked at.
void find_unasked(const TomlNode& node, TomlDocument* document) {
  for (const auto& [name, child] : node.children) {
    if (!child->asked) {
      document->add(child->line, name, "there is no such key");
      continue;
    }
    find_unasked(*child, document);
    for (const auto& item : child->items) find_unasked(*item, document);
  }
}

}  // namespace

TomlNode* TomlTable::find(std::string_view key) {
  const auto found = node_->children.find(key);
  if (found == node_->children.end()) return nullptr;
  found->second->asked = true;
  return found->second.get();
}

bool TomlTable::has(std::string_view key) const {
  return node_->children.contains(key);
}

void TomlTable::problem(std::string_view key, std::string_view message) {
  const auto found = node_->children.find(key);
  const std::size_t line = found == node_->children.end() ? node_->line : found->second->line;
  document_->add(line, key, message);
}

void TomlTable::require(std::string_view key) {
  if (!has(key)) problem(key, "is missing");
}

std::optional<std::string> TomlTable::text(std::string_view key) {
  const TomlNode* node = find(key);
  if (node == nullptr) return std::nullopt;
  if (const auto* value = std::get_if<std::string>(&node->scalar)) return *value;
  problem(key, "must be a string, in quotes");
  return std::nullopt;
}

std::optional<bool> TomlTable::boolean(std::string_view key) {
  const TomlNode* node = find(key);
  if (node == nullptr) return std::nullopt;
  if (const auto* value = std::get_if<bool>(&node->scalar)) return *value;
  problem(key, "must be true or false");
  return std::nullopt;
}

std::optional<std::uint64_t> TomlTable::number(std::string_view key, std::uint64_t least,
                                               std::uint64_t most) {
  const TomlNode* node = find(key);
  if (node == nullptr) return std::nullopt;
  if (const auto* value = std::get_if<std::int64_t>(&node->scalar)) {
    if (*value >= 0 && static_cast<std::uint64_t>(*value) >= least &&
        static_cast<std::uint64_t>(*value) <= most) {
      return static_cast<std::uint64_t>(*value);
    }
  }
  problem(key, fmt::format("must be a whole number from {} to {}", least, most));
  return std::nullopt;
}

std::optional<std::uint64_t> TomlTable::size(std::string_view key) {
  const TomlNode* node = find(key);
  if (node == nullptr) return std::nullopt;
  if (const auto* bytes = std::get_if<std::int64_t>(&node->scalar); bytes != nullptr && *bytes >= 0) {
    return static_cast<std::uint64_t>(*bytes);
  }
  if (const auto* words = std::get_if<std::string>(&node->scalar)) {
    if (const auto bytes = parse_size(*words)) return *bytes;
  }
  problem(key, "must be a size such as \"512MiB\" or \"2GiB\" (KiB, MiB, GiB, TiB, or bytes)");
  return std::nullopt;
}

std::optional<std::size_t> TomlTable::choice(std::string_view key,
                                             std::initializer_list<std::string_view> words) {
  const TomlNode* node = find(key);
  if (node == nullptr) return std::nullopt;
  if (const auto* value = std::get_if<std::string>(&node->scalar)) {
    const auto* found = std::find(words.begin(), words.end(), *value);
    if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
  }
  std::string list;
  for (const std::string_view word : words) list += fmt::format("{}\"{}\"", list.empty() ? "" : " or ", word);
  problem(key, fmt::format("must be {}", list));
  return std::nullopt;
}

std::optional<std::vector<std::string>> TomlTable::texts(std::string_view key) {
  const TomlNode* node = find(key);
  if (node == nullptr) return std::nullopt;
  std::vector<std::string> values;
  for (const auto& item : node->items)
    if (const auto* value = std::get_if<std::string>(&item->scalar)) values.push_back(*value);
  if (node->is_list && values.size() == node->items.size()) return values;
  problem(key, "must be a list of strings: [\"a\", \"b\"]");
  return std::nullopt;
}

std::optional<TomlTable> TomlTable::table(std::string_view key) {
  TomlNode* node = find(key);
  if (node == nullptr) return std::nullopt;
  if (node->is_table) return TomlTable(document_, node);
  problem(key, fmt::format("must be a table: [{}]", key));
  return std::nullopt;
}

std::vector<TomlTable> TomlTable::tables(std::string_view key) {
  TomlNode* node = find(key);
  if (node == nullptr) return {};
  std::vector<TomlTable> tables;
  for (const auto& item : node->items)
    if (item->is_table) tables.push_back(TomlTable(document_, item.get()));
  if (!node->is_list || tables.size() != node->items.size()) {
    problem(key, fmt::format("must be a list of tables: [[{}]]", key));
    return {};
  }
  return tables;
}

std::vector<std::pair<std::string, TomlTable>> TomlTable::named_tables() {
  std::vector<std::pair<std::string, TomlTable>> tables;
  for (const auto& [name, child] : node_->children) {
    child->asked = true;
    if (child->is_table) {
      tables.emplace_back(name, TomlTable(document_, child.get()));
    } else {
      problem(name, fmt::format("must be a table: [{}.{}]", node_->key, name));
    }
  }
  return tables;
}

TomlFile::TomlFile(std::unique_ptr<TomlDocument> document) : document_(std::move(document)) {}
TomlFile::TomlFile(TomlFile&&) noexcept = default;
TomlFile::~TomlFile() = default;

Result<TomlFile> TomlFile::parse(std::string_view text, std::string_view file_name) {
  auto document = std::make_unique<TomlDocument>();
  document->file_name = std::string(file_name);
  try {
    const toml::table table = toml::parse(text, file_name);
    convert(table, "", &document->root);
  } catch (const toml::parse_error& error) {
    return fail(Code::kInvalid, "{}:{}: not valid TOML: {}", file_name, error.source().begin.line,
                error.description());
  } catch (const std::exception& error) {
    return fail(Code::kInvalid, "{}: not valid TOML: {}", file_name, error.what());
  }
  document->root.line = 1;
  return TomlFile(std::move(document));
}

TomlTable TomlFile::root() {
  return {document_.get(), &document_->root};
}

Status TomlFile::finish() {
  find_unasked(document_->root, document_.get());
  if (document_->problems.empty()) return {};
  std::ranges::stable_sort(document_->problems, {}, &TomlDocument::Problem::line);
  std::string all;
  for (const auto& [line, key, message] : document_->problems) {
    all += fmt::format("{}{}:{}: key '{}': {}", all.empty() ? "" : "\n", document_->file_name, line, key,
                       message);
  }
  return fail(Code::kInvalid, "{}", all);
}

}  // namespace sealift
