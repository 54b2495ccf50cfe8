// Forks, promises, terms, newer rules, new keys.
#include <gtest/gtest.h>

#include "ledger/chain_fixture.hpp"

namespace sealift::ledger {
namespace {

using namespace testing;

TEST(Chain, AForkIsNamedByHeightAndBothVersionsAndKept) {
  Net net;
  net.three();
  net.chains.erase("genf");
  net.open("genf");
  // The server's twin tells genf another story from the same past.
  Net::TemporaryCopy copy(net, "zurich");
  net.say(VmRegister{vm_id(1), {0}, 1, host("zurich"), digest_of("a")}, {"zurich"});
  const Bytes other =
      net.world.signed_record(VmRegister{vm_id(2), {0}, 1, host("zurich"), digest_of("b")}, {"zurich"});
  ASSERT_TRUE(copy.chain->append({other}, net.clock.wall()));
  const std::uint64_t height = net.server().height();
  const Block ours = *net.server().block(height);
  const Block theirs = *copy.chain->block(height);
  ASSERT_TRUE(net.follow("bern"));
  const Status block = net.at("bern").accept_block(theirs, Chain::Arrival::kLive);
  ASSERT_FALSE(block);
  EXPECT_EQ(block.error().code, Code::kCorrupt);
  for (const std::string& part :
       {fmt::format("block {}", height), ours.header.hash().hex(), theirs.header.hash().hex()})
    EXPECT_NE(block.error().message.find(part), std::string::npos) << part;
  const auto cosigned = net.at("bern").cosign(*copy.chain->checkpoint());
  ASSERT_FALSE(cosigned);
  EXPECT_EQ(cosigned.error().code, Code::kCorrupt);
  net.open("bern");
  ASSERT_EQ(net.at("bern").forks()->size(), 2U);
  EXPECT_EQ(net.at("bern").forks()->front().height, height);
}

// Any member can sign a checkpoint in its own name: of another past it is no fork, of ours it makes nothing
// final.
TEST(Chain, ACheckpointOfAMemberThatDoesNotServeIsRefusedAndNoEvidence) {
  Net net;
  net.three();
  net.register_vm();
  ASSERT_TRUE(net.follow("genf"));
  LogHead head = parse_signed_head(as_bytes(*net.server().checkpoint()))->head;
  head.server = host("bern");
  const auto note_of = [&] {
    const std::vector<crypto::NoteSignature> signatures = {
        sign_head(head, identity_of("bern")), cosign_head(head, host("bern"), identity_of("bern"), 1)};
    return *encode_signed_head(head, signatures);
  };
  const std::uint64_t final_height = net.at("genf").final_height();
  for (const crypto::Digest& root : {head.root, digest_of("another past")}) {
    for (const std::uint64_t term : {1U, 2U}) {
      head.root = root;
      head.term = term;
      const auto added = net.at("genf").add_signatures(note_of());
      ASSERT_FALSE(added);
      EXPECT_EQ(added.error().code, Code::kRefused) << added.error().message;
      EXPECT_EQ(net.at("genf").cosign(note_of()).error().code, Code::kRefused);
    }
  }
  EXPECT_EQ(net.at("genf").final_height(), final_height);
  EXPECT_TRUE(net.at("genf").forks()->empty());
}

TEST(Chain, CosignsNothingOlderAndNothingBelowAPromise) {
  Net net;
  net.three();
  const std::string old_note = *net.server().checkpoint();
  net.register_vm();
  net.settle();
  EXPECT_EQ(net.at("bern").cosign(old_note).error().code, Code::kRefused);
  ASSERT_TRUE(net.at("bern").promise(2, host("genf")));
  EXPECT_TRUE(net.at("bern").promise(2, host("genf")));
  EXPECT_FALSE(net.at("bern").promise(2, host("bern")));
  EXPECT_FALSE(net.at("bern").promise(1, host("zurich")));
  net.open("bern");
  EXPECT_EQ(net.at("bern").promised().term, 2U);
  EXPECT_EQ(net.at("bern").cosign(*net.server().checkpoint()).error().code, Code::kRefused);
  ASSERT_TRUE(net.server().promise(3, host("bern")));
  EXPECT_EQ(net.append({to_bytes("x")}).error().code, Code::kRefused);
}

TEST(Chain, ANewTermReplacesBlocksThatWereNeverFinal) {
  Net net;
  net.three();
  net.register_vm();  // genf alone hears of it, and does not cosign: never final
  ASSERT_TRUE(net.follow("genf"));
  const std::uint64_t kept = net.at("bern").height();
  const LogHead head = [&] {
    const auto note = net.at("bern").checkpoint();
    LogHead h = parse_signed_head(as_bytes(*note))->head;
    h.term = 2, h.server = host("bern");
    return h;
  }();
  ASSERT_EQ(head.size, kept);
  for (const char* name : {"bern", "genf"}) ASSERT_TRUE(net.at(name).promise(2, host("bern")));
  const std::vector<crypto::NoteSignature> signatures = {sign_head(head, identity_of("bern"))};
  const std::string note = *encode_signed_head(head, signatures);
  EXPECT_EQ(net.at("genf").height(), kept + 1);
  const auto replaced = net.at("genf").replace_and_cosign({}, note);
  ASSERT_TRUE(replaced) << replaced.error().message;
  EXPECT_EQ(net.at("genf").height(), kept);
  ASSERT_TRUE(net.at("bern").cosign(note));
  net.open("genf");
  EXPECT_EQ(net.at("genf").height(), kept);
  EXPECT_EQ(net.at("genf").tip_hash(), net.at("bern").tip_hash());
}

TEST(Chain, AFinalBlockIsNeverReplaced) {
  Net net;
  net.three();
  net.register_vm();
  net.settle();
  LogHead head = parse_signed_head(as_bytes(*net.server().checkpoint()))->head;
  head.term = 2, head.server = host("bern"), head.size -= 1;
  ASSERT_TRUE(net.at("genf").promise(2, host("bern")));
  const std::vector<crypto::NoteSignature> signatures = {sign_head(head, identity_of("bern"))};
  const auto replaced = net.at("genf").replace_and_cosign({}, *encode_signed_head(head, signatures));
  ASSERT_FALSE(replaced);
  EXPECT_EQ(replaced.error().code, Code::kRefused);
}

TEST(Chain, RulesNewerThanThisBuildStopItWithAClearMessage) {
  Net net;
  net.say(RulesActivate{net.world.change(), 2, net.server().height() + 2}, {"zurich"});
  const auto appended = net.append(
      {net.world.signed_record(VmRegister{vm_id(), {0}, 1, host("zurich"), digest_of("d")}, {"zurich"})});
  ASSERT_FALSE(appended);
  EXPECT_EQ(appended.error().code, Code::kUnsupported);
  EXPECT_NE(appended.error().message.find("upgrade"), std::string::npos);
}

TEST(Chain, ARotatedKeyCountsFromTheNextBlockOn) {
  Net net;
  net.join("bern", {"zurich"});
  net.say(HostUpdate{1, host("bern"), {}, identity_of("bern 2").public_key()}, {"bern", "bern 2"});
  net.settle();  // bern still signs with its old key: the rotation's block counts by that
  EXPECT_EQ(net.server().final_height(), net.server().height());
  net.register_vm();
  ASSERT_TRUE(net.follow("bern"));
  EXPECT_FALSE(net.cosign("bern"));
  net.chains.erase("bern");
  auto reopened =
      Chain::open(*Store::open(net.file_of("bern")), {host("bern"), identity_of("bern 2")}, net.clock);
  ASSERT_TRUE(reopened) << reopened.error().message;
  net.chains["bern"] = std::move(*reopened);
  ASSERT_TRUE(net.cosign("bern"));
  EXPECT_EQ(net.server().final_height(), net.server().height());
}

}  // namespace
}  // namespace sealift::ledger
