#pragma once

// For this module's tests: several real chains on files, and the messages between them as calls.

#include <filesystem>

#include "ledger/embedded/solo.hpp"
#include "ledger/ledger_fixture.hpp"

namespace sealift::ledger::testing {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "ledger_test.XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    path_ = name;
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const file::Path& path() const { return path_; }

 private:
  file::Path path_;
};

// zurich serves; the others follow. The World runs the same records through the rules alone.
struct Net {
  TemporaryDirectory directory;
  ManualClock clock{at_ms(kStartMs + 5000)};
  World world;
  std::map<std::string, std::unique_ptr<Chain>> chains;

  Net() { open("zurich"); }

  file::Path file_of(const std::string& name) const { return directory.path() / (name + ".db"); }
  Result<std::unique_ptr<Chain>> try_open(const std::string& name) {
    Store store = SEALIFT_TRY(Store::create(file_of(name), world.genesis));
    return Chain::open(std::move(store), {host(name), identity_of(name)}, clock);
  }
  void open(const std::string& name) {
    chains.erase(name);
    auto chain = try_open(name);
    ASSERT_TRUE(chain) << chain.error().message;
    chains[name] = std::move(*chain);
  }
  Chain& at(const std::string& name) { return *chains.at(name); }
  Chain& server() { return at("zurich"); }

  // What a follower does when it hears of news: blocks, then its cosignature, then the others'.
  Status follow(const std::string& name) {
    Chain& chain = at(name);
    while (chain.height() < server().height()) {
      const Block block = SEALIFT_TRY(server().block(chain.height() + 1));
      Status status = chain.accept_block(block, Chain::Arrival::kCatchUp);
      if (!status && status.error().code == Code::kUnavailable) {
        const Bytes note = SEALIFT_TRY(server().final_checkpoint(chain.height()));
        SEALIFT_TRY(chain.add_signatures(as_text(note)));
        status = chain.accept_block(block, Chain::Arrival::kCatchUp);
      }
      SEALIFT_TRY_STATUS(status);
    }
    return {};
  }
  Status cosign(const std::string& name) {
    const std::string note = SEALIFT_TRY(server().checkpoint());
    const auto signature = SEALIFT_TRY(at(name).cosign(note));
    SignedHead head = SEALIFT_TRY(parse_signed_head(as_bytes(note)));
    head.note.signatures.push_back(signature);
    const std::string with = SEALIFT_TRY(encode_signed_head(head.head, head.note.signatures));
    SEALIFT_TRY(server().add_signatures(with));
    return {};
  }
  void settle() {
    for (const auto& [name, chain] : chains) {
      if (name == "zurich") continue;
      const Status followed = follow(name);
      ASSERT_TRUE(followed) << name << ": " << followed.error().message;
      if (!chain->state()->member(host(name))) continue;
      const Status cosigned = cosign(name);
      ASSERT_TRUE(cosigned) << name << ": " << cosigned.error().message;
    }
    const auto note = server().checkpoint();
    for (const auto& [name, chain] : chains) {
      if (note && name != "zurich") {
        EXPECT_TRUE(chain->add_signatures(*note));
      }
    }
  }

  Result<Chain::Appended> append(const std::vector<Bytes>& records) {
    clock.advance(Milliseconds{100});
    return server().append(records, clock.wall());
  }
  // Through the rules and the chain; both must agree.
  RecordId say(const Body& body, const std::vector<std::string>& signers) {
    const Bytes bytes = world.signed_record(body, signers);
    world.block.time_ms = static_cast<std::uint64_t>(clock.wall().time_since_epoch().count()) + 100;
    world.block.height = server().height() + 1;
    const auto id = world.submit(bytes);
    EXPECT_TRUE(id) << id.error().message;
    const auto appended = append({bytes});
    EXPECT_TRUE(appended) << appended.error().message;
    if (!appended || !id) return {};
    EXPECT_EQ(appended->outcomes.front().kind, Chain::Outcome::Kind::kIncluded)
        << appended->outcomes.front().reason;
    EXPECT_EQ(server().state()->root(), world.state.root());
    return *id;
  }
  void join(const std::string& name, const std::vector<std::string>& signers, bool witness_only = false) {
    say(HostJoin{world.change(), info_of(name, witness_only), {}}, signers);
    open(name);
    settle();
  }
  void three() {
    join("bern", {"zurich"});
    join("genf", {"zurich", "bern"}, true);
  }
  void register_vm() {
    say(VmRegister{vm_id(), {0}, ++world.number, host("zurich"), digest_of("definition")}, {"zurich"});
  }
  // A second process with the same file and key: what a dishonest server, or one restored from a copy, would
  // be.
  struct TemporaryCopy {
    TemporaryCopy(Net& net, const std::string& name) {
      const file::Path path = net.directory.path() / "copy.db";
      Store second = *Store::create(path, net.world.genesis);
      auto opened = Chain::open(std::move(second), {host(name), identity_of(name)}, net.clock);
      chain = std::move(*opened);
      for (std::uint64_t at = 1; at <= net.at(name).height(); ++at) {
        EXPECT_TRUE(chain->accept_block(*net.at(name).block(at), Chain::Arrival::kCatchUp));
        EXPECT_TRUE(chain->add_signatures(as_text(*net.at(name).final_checkpoint(at))));
      }
    }
    std::unique_ptr<Chain> chain;
  };
  MoveId moved() {
    register_vm();
    say(world.offer(), {"zurich"});
    say(MoveAccept{world.stamp()}, {"bern"});
    say(world.commit(), {"bern"});
    return world.last().id;
  }
};

}  // namespace sealift::ledger::testing
