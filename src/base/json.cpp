#include "base/json.hpp"

#include <limits>
#include <set>

namespace sealift::json {

namespace {

// Refuses depth and duplicate keys while parsing, before anything large is built.
class Guard {
 public:
  bool operator()(int depth, Json::parse_event_t event, Json& parsed) {
    using Event = Json::parse_event_t;
    if (event == Event::object_start) keys_.emplace_back();
    if (event == Event::object_end && !keys_.empty()) keys_.pop_back();
    if (event == Event::key && !keys_.empty() && !keys_.back().insert(parsed.get<std::string>()).second)
      bad_ = true;
    if (static_cast<std::size_t>(depth) > kDepthMax) bad_ = true;
    return !bad_;
  }
  bool bad() const { return bad_; }

 private:
  std::vector<std::set<std::string>> keys_;
  bool bad_ = false;
};

// Depth is counted on the text first: nlohmann's parser is iterative, but its destructor and callbacks are
// not free.
bool too_deep(std::string_view text) {
  std::size_t depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
      continue;
    }
    if (c == '"') in_string = true;
    if (c == '{' || c == '[') {
      if (++depth > kDepthMax) return true;
    }
    if ((c == '}' || c == ']') && depth > 0) --depth;
  }
  return false;
}

Result<Json> member(const Json& object, std::string_view name) {
  if (!object.is_object()) return fail(Code::kInvalid, "not an object (looking for '{}')", name);
  const auto found = object.find(std::string(name));
  if (found == object.end()) return fail(Code::kInvalid, "field '{}' is missing", name);
  return *found;
}

}  // namespace

Result<Json> parse(std::string_view text, std::size_t bytes_max) {
  if (text.size() > bytes_max)
    return fail(Code::kInvalid, "JSON of {} bytes is over the limit of {}", text.size(), bytes_max);
  if (too_deep(text)) return fail(Code::kInvalid, "JSON is nested deeper than {}", kDepthMax);
  Guard guard;
  Json value = Json::parse(text, std::ref(guard), /*allow_exceptions=*/false);
  if (guard.bad()) return fail(Code::kInvalid, "JSON has a duplicate key or is nested too deep");
  if (value.is_discarded()) return fail(Code::kInvalid, "not valid JSON");
  return value;
}

std::string dump(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string dump_pretty(const Json& value) {
  return value.dump(2, ' ', false, Json::error_handler_t::replace);
}

Result<std::string> text(const Json& object, std::string_view name) {
  const Json value = SEALIFT_TRY(member(object, name));
  if (!value.is_string()) return fail(Code::kInvalid, "field '{}' is not a string", name);
  return value.get<std::string>();
}

Result<std::uint64_t> number(const Json& object, std::string_view name) {
  const Json value = SEALIFT_TRY(member(object, name));
  const bool whole =
      value.is_number_unsigned() && value.get<std::uint64_t>() <= std::numeric_limits<std::int64_t>::max();
  if (!whole) return fail(Code::kInvalid, "field '{}' is not a whole number from 0 to 2^63-1", name);
  return value.get<std::uint64_t>();
}

Result<bool> boolean(const Json& object, std::string_view name) {
  const Json value = SEALIFT_TRY(member(object, name));
  if (!value.is_boolean()) return fail(Code::kInvalid, "field '{}' is not true or false", name);
  return value.get<bool>();
}

Result<Json> object(const Json& object, std::string_view name) {
  Json value = SEALIFT_TRY(member(object, name));
  if (!value.is_object()) return fail(Code::kInvalid, "field '{}' is not an object", name);
  return value;
}

Result<Json> array(const Json& object, std::string_view name) {
  Json value = SEALIFT_TRY(member(object, name));
  if (!value.is_array()) return fail(Code::kInvalid, "field '{}' is not a list", name);
  return value;
}

bool has(const Json& object, std::string_view name) {
  return object.is_object() && object.contains(std::string(name));
}

std::vector<std::string> texts(const Json& object, std::string_view name) {
  std::vector<std::string> list;
  for (const Json& one : array(object, name).value_or(Json::array()))
    if (one.is_string()) list.push_back(one);
  return list;
}

}  // namespace sealift::json
