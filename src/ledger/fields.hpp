#pragma once

// One list of fields per struct, read and written by the same lines (internal to the module). A struct's list
// is
//   template <class F> void fields(F& f, Maybe<F, VmRest>& v) { f("vm", v.vm); f("epoch", v.epoch); … }
// FieldWriter makes the JSON object. FieldReader fills the struct and is strict: a missing, unknown or
// differently written value is an error that names the field. Optional values are absent when empty.

#include <map>
#include <optional>
#include <type_traits>

#include "base/json.hpp"
#include "ledger/views.hpp"

namespace sealift::ledger {

// T const for a writer, T for a reader.
template <class F, class T>
using Maybe = std::conditional_t<F::kWrites, const T, T>;

// A text that may be longer than kTextBytesMax: a nested document.
struct Limit {
  std::size_t bytes_max;
};

class FieldWriter {
 public:
  static constexpr bool kWrites = true;
  template <class T>
  void operator()(const char* name, const T& value) {
    if constexpr (requires { value.has_value(); }) {
      if (value.has_value()) out_[name] = write(*value);
    } else {
      out_[name] = write(value);
    }
  }
  template <class T>
  void operator()(const char* name, const T& value, Limit) {
    (*this)(name, value);
  }
  Json take() { return std::move(out_); }

 private:
  static Json write(bool value) { return value; }
  static Json write(std::uint32_t value) { return value; }
  static Json write(std::uint64_t value) { return value; }
  static Json write(const std::string& value) { return value; }
  static Json write(const HostName& value) { return value.text(); }
  static Json write(const VmId& value) { return value.text(); }
  static Json write(const Epoch& value) { return value.value; }
  static Json write(const crypto::Digest& value) { return value.hex(); }
  static Json write(const crypto::PublicKey& value) { return value.hex(); }
  template <class Tag>
  static Json write(const DigestId<Tag>& value) {
    return value.hex();
  }
  static Json write(const Bytes& value) { return base64(value); }
  static Json write(MoveMode value) { return value == MoveMode::kCold ? "cold" : "live"; }
  static Json write(VmStatus value) { return value == VmStatus::kActive ? "active" : "retired"; }
  static Json write(MoveStatus value) { return std::string(to_string(value)); }
  template <class T>
  static Json write(const std::vector<T>& values) {
    Json list = Json::array();
    for (const T& value : values) list.push_back(write(value));
    return list;
  }
  static Json write(const std::map<HostName, std::uint64_t>& values) {
    Json object = Json::object();
    for (const auto& [name, number] : values) object[name.text()] = number;
    return object;
  }
  template <class T>
    requires std::is_class_v<T>
  static Json write(const T& value) {
    FieldWriter inner;
    fields(inner, value);
    return inner.take();
  }

  Json out_ = Json::object();
};

class FieldReader {
 public:
  static constexpr bool kWrites = false;
  explicit FieldReader(const Json& object) : in_(object) {
    if (!in_.is_object()) error("not an object");
  }

  template <class T>
  void operator()(const char* name, T& value) {
    const Json* found = find(name);
    if constexpr (requires { value.has_value(); }) {
      if (found == nullptr) return;
      typename T::value_type inner{};
      read(name, *found, inner);
      value = std::move(inner);
    } else {
      if (found == nullptr) return error(fmt::format("field '{}' is missing", name));
      read(name, *found, value);
    }
  }
  void operator()(const char* name, std::string& value, Limit limit) {
    const Json* found = find(name);
    if (found == nullptr) return error(fmt::format("field '{}' is missing", name));
    read_text(name, *found, value, limit.bytes_max);
  }
  void operator()(const char* name, std::optional<std::string>& value, Limit limit) {
    const Json* found = find(name);
    if (found != nullptr) read_text(name, *found, value.emplace(), limit.bytes_max);
  }
  void operator()(const char* name, Bytes& value, Limit limit) {
    std::string text;
    (*this)(name, text, limit);
    if (!error_) take(name, unbase64(text), value);
  }
  Status finish() {  // also: nothing unknown was there
    if (!error_ && in_.size() != known_) error("an unknown field is there");
    if (error_) return std::unexpected(*error_);
    return {};
  }

 private:
  const Json* find(const char* name) {
    if (error_) return nullptr;
    const auto found = in_.find(name);
    if (found == in_.end()) return nullptr;
    ++known_;
    return &*found;
  }
  void error(std::string message) {
    if (!error_) error_ = Error{Code::kInvalid, std::move(message)};
  }
  template <class T>
  void take(const char* name, Result<T> result, T& value) {
    if (!result) return error(fmt::format("field '{}': {}", name, result.error().message));
    value = std::move(*result);
  }

  void read_text(const char* name, const Json& in, std::string& value, std::size_t bytes_max);
  void read(const char* name, const Json& in, bool& value);
  void read(const char* name, const Json& in, std::uint32_t& value);
  void read(const char* name, const Json& in, std::uint64_t& value);
  void read(const char* name, const Json& in, std::string& value);
  void read(const char* name, const Json& in, HostName& value);
  void read(const char* name, const Json& in, VmId& value);
  void read(const char* name, const Json& in, Epoch& value);
  void read(const char* name, const Json& in, crypto::Digest& value);
  void read(const char* name, const Json& in, crypto::PublicKey& value);
  template <class Tag>
  void read(const char* name, const Json& in, DigestId<Tag>& value) {
    read(name, in, value.digest);
  }
  void read(const char* name, const Json& in, MoveMode& value);
  void read(const char* name, const Json& in, VmStatus& value);
  void read(const char* name, const Json& in, MoveStatus& value);
  void read(const char* name, const Json& in, std::map<HostName, std::uint64_t>& value);
  template <class T>
  void read(const char* name, const Json& in, std::vector<T>& values) {
    if (!in.is_array()) return error(fmt::format("field '{}' is not a list", name));
    if (in.size() > kListMax)
      return error(fmt::format("field '{}' has more than {} entries", name, kListMax));
    values.clear();
    for (const Json& item : in) {
      if (error_) return;
      T value{};
      read(name, item, value);
      values.push_back(std::move(value));
    }
  }
  template <class T>
    requires std::is_class_v<T>
  void read(const char* name, const Json& in, T& value) {
    FieldReader inner(in);
    fields(inner, value);
    if (const Status status = inner.finish(); !status)
      error(fmt::format("field '{}': {}", name, status.error().message));
  }

  static constexpr std::size_t kListMax = 65'536;
  const Json& in_;
  std::size_t known_ = 0;
  std::optional<Error> error_;
};

template <class T>
Json write_fields(const T& value) {
  FieldWriter writer;
  fields(writer, value);
  return writer.take();
}
template <class T>
Result<T> read_fields(const Json& object) {
  T value{};
  FieldReader reader(object);
  fields(reader, value);
  SEALIFT_TRY_STATUS(reader.finish());
  return value;
}

// Lists that several files need.
template <class F>
void fields(F& f, Maybe<F, HostInfo>& v) {
  f("name", v.name), f("key", v.key), f("endpoints", v.endpoints), f("region", v.region);
  f("witness_only", v.witness_only);
}
template <class F>
void fields(F& f, Maybe<F, OfferedDisk>& v) {
  f("name", v.name), f("format", v.format), f("bytes", v.bytes);
}
template <class F>
void fields(F& f, Maybe<F, SealPart>& v) {
  f("name", v.name), f("algorithm", v.algorithm), f("bytes", v.bytes), f("digest", v.digest);
}
template <class F>
void fields(F& f, Maybe<F, Seal>& v) {
  f("domain", v.domain), f("move", v.move), f("vm", v.vm), f("from", v.from), f("to", v.to);
  f("epoch", v.epoch), f("parts", v.parts);
}
template <class F>
void fields(F& f, Maybe<F, Policy>& v) {
  f("approvals", v.approvals), f("skew_ms", v.skew_ms), f("regions", v.regions);
}

}  // namespace sealift::ledger
