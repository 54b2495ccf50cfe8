#pragma once

// What emit.cpp and emit_ledger.cpp share: collects signed things and the facts about them in one directory.

#include <string>
#include <utility>
#include <vector>

#include "base/file.hpp"
#include "base/json.hpp"
#include "crypto/dsse.hpp"
#include "crypto/merkle.hpp"
#include "crypto/note.hpp"

namespace sealift::thirdparty {

struct Log {
  std::string name;
  std::string note;
  std::string origin;
  crypto::NamedKey server;
  std::vector<std::pair<crypto::NamedKey, std::uint64_t>> witnesses;  // with the time that each cosigned
  std::vector<Bytes> records;
  std::string receipt_file = {};  // of a move in this log
};

class Emitter {
 public:
  explicit Emitter(file::Path directory) : directory_(std::move(directory)) {}
  Status add(const Log& log);
  Status add(const std::string& name, ByteView envelope, const std::vector<crypto::PublicKey>& keys);
  Status write(const std::string& file_name, ByteView content);
  Status finish();

 private:
  file::Path directory_;
  Json facts_ = {{"logs", Json::array()}, {"envelopes", Json::array()}};
};

Status write_ledger(Emitter& out);  // a move in a domain of two, and its receipt

}  // namespace sealift::thirdparty
