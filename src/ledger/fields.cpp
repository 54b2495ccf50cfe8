#include "ledger/fields.hpp"

#include <limits>

namespace sealift::ledger {

void FieldReader::read_text(const char* name, const Json& in, std::string& value, std::size_t bytes_max) {
  if (!in.is_string()) return error(fmt::format("field '{}' is not a string", name));
  const auto& text = in.get_ref<const std::string&>();
  if (text.size() > bytes_max)
    return error(
        fmt::format("field '{}' has {} bytes, at most {} are allowed", name, text.size(), bytes_max));
  value = text;
}

void FieldReader::read(const char* name, const Json& in, bool& value) {
  if (!in.is_boolean()) return error(fmt::format("field '{}' is not true or false", name));
  value = in.get<bool>();
}

void FieldReader::read(const char* name, const Json& in, std::uint64_t& value) {
  constexpr std::uint64_t kMax = std::numeric_limits<std::int64_t>::max();
  if (!in.is_number_unsigned() || in.get<std::uint64_t>() > kMax)
    return error(fmt::format("field '{}' is not a whole number from 0 to 2^63-1", name));
  value = in.get<std::uint64_t>();
}

void FieldReader::read(const char* name, const Json& in, std::uint32_t& value) {
  std::uint64_t wide = 0;
  read(name, in, wide);
  if (!std::in_range<std::uint32_t>(wide))
    return error(fmt::format("field '{}' is not a whole number below 2^32", name));
  value = static_cast<std::uint32_t>(wide);
}

void FieldReader::read(const char* name, const Json& in, std::string& value) {
  read_text(name, in, value, kTextBytesMax);
}

void FieldReader::read(const char* name, const Json& in, HostName& value) {
  std::string text;
  read(name, in, text);
  if (!error_) take(name, HostName::parse(text), value);
}

void FieldReader::read(const char* name, const Json& in, VmId& value) {
  std::string text;
  read(name, in, text);
  if (!error_) take(name, VmId::parse(text), value);
}

void FieldReader::read(const char* name, const Json& in, Epoch& value) {
  read(name, in, value.value);
}

void FieldReader::read(const char* name, const Json& in, crypto::Digest& value) {
  std::string text;
  read(name, in, text);
  if (!error_) take(name, crypto::Digest::from_hex(text), value);
}

void FieldReader::read(const char* name, const Json& in, crypto::PublicKey& value) {
  std::string text;
  read(name, in, text);
  if (error_) return;
  take(name, crypto::PublicKey::from_hex(text), value);
  if (!error_ && value.hex() != text) error(fmt::format("field '{}' is not in lower case", name));
}

void FieldReader::read(const char* name, const Json& in, MoveMode& value) {
  std::string text;
  read(name, in, text);
  if (text == "cold") {
    value = MoveMode::kCold;
  } else if (text == "live") {
    value = MoveMode::kLive;
  } else {
    error(fmt::format("field '{}' is neither cold nor live", name));
  }
}

void FieldReader::read(const char* name, const Json& in, VmStatus& value) {
  std::string text;
  read(name, in, text);
  if (text == "active") {
    value = VmStatus::kActive;
  } else if (text == "retired") {
    value = VmStatus::kRetired;
  } else {
    error(fmt::format("field '{}' is neither active nor retired", name));
  }
}

void FieldReader::read(const char* name, const Json& in, MoveStatus& value) {
  std::string text;
  read(name, in, text);
  for (const MoveStatus status :
       {MoveStatus::kOffered, MoveStatus::kAccepted, MoveStatus::kCommitted, MoveStatus::kStarted,
        MoveStatus::kReturned, MoveStatus::kAborted, MoveStatus::kRecovered}) {
    if (to_string(status) == text) {
      value = status;
      return;
    }
  }
  error(fmt::format("field '{}' is not a move's status", name));
}

void FieldReader::read(const char* name, const Json& in, std::map<HostName, std::uint64_t>& value) {
  if (!in.is_object()) return error(fmt::format("field '{}' is not an object", name));
  value.clear();
  for (const auto& [key, item] : in.items()) {
    HostName host;
    take(name, HostName::parse(key), host);
    std::uint64_t number = 0;
    if (!error_) read(name, item, number);
    if (error_) return;
    value[host] = number;
  }
}

}  // namespace sealift::ledger
