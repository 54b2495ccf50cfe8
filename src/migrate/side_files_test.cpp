#include "migrate/side_files.hpp"

#include "image/temporary_directory.hpp"
#include "transport/test_pair.hpp"

// Files beside the disks over a real session on loopback.

namespace sealift::migrate {

namespace {

using namespace std::chrono_literals;

class SideFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    pair_.connect();
    ASSERT_TRUE(file::make_private_directory(from()));
    ASSERT_TRUE(file::make_private_directory(to()));
  }
  file::Path from() const { return directory_.path() / "from"; }
  file::Path to() const { return directory_.path() / "to"; }
  void write(const std::string& name, const Bytes& bytes) {
    ASSERT_TRUE(file::write_atomic(from() / name, ByteView(bytes)));
  }
  // Raw records of a hostile source, then the stream's end; what the receiver says.
  Status receive(const std::vector<Bytes>& records, std::vector<std::string> names) {
    transport::StreamWriter writer = pair_.initiator->writer(kSideFileStream);
    for (const Bytes& record : records) {
      std::ranges::copy(record, writer.buffer().begin());
      EXPECT_TRUE(writer.commit(record.size()));
    }
    EXPECT_TRUE(writer.finish());
    SideFileReceiver receiver(*pair_.accepted, to(), std::move(names));
    return receiver.receive({});
  }
  static Bytes begin(const std::string& name, std::uint64_t bytes) {
    return encode_side_file_begin({name, bytes});
  }
  static Bytes piece(std::string_view content) { return to_bytes("\2" + std::string(content)); }

  image::testing::TemporaryDirectory directory_;
  transport::testing::Pair pair_;
};

}  // namespace

TEST_F(SideFilesTest, ArriveWholeAndTheLastOneCounts) {
  SeededRandom random(11);
  Bytes kernel(700'001);
  random.fill(kernel);
  write("kernel", kernel);
  write("vars.fd", Bytes(4096, 1));
  write("empty", {});
  const std::vector<std::string> names = {"kernel", "vars.fd", "empty"};
  SideFileReceiver receiver(*pair_.accepted, to(), names);
  std::jthread receiving([&] {
    const Status received = receiver.receive({});
    EXPECT_TRUE(received) << received.error().message;
  });
  SideFileSender sender(*pair_.initiator, from());
  for (const std::string& name : names) ASSERT_TRUE(sender.send(name, {}));
  ASSERT_TRUE(receiver.wait_all({}));
  write("vars.fd", Bytes(4096, 2));  // the guest wrote its variables while it ran
  ASSERT_TRUE(sender.send("vars.fd", {}));
  ASSERT_TRUE(sender.finish({}));
  receiving.join();
  EXPECT_EQ(receiver.parts(), sender.parts());
  EXPECT_EQ(receiver.parts().size(), 3U);
  EXPECT_TRUE(*file::read(to() / "kernel", 1 << 20) == kernel);
  EXPECT_EQ(*file::read(to() / "vars.fd", 1 << 20), Bytes(4096, 2));
  EXPECT_EQ(*file::read(to() / "empty", 1 << 20), Bytes());
}

TEST_F(SideFilesTest, AFileThatTheDefinitionDoesNotHaveIsRefused) {
  EXPECT_EQ(receive({begin("../escape", 1), piece("x")}, {"kernel"}).error().code, Code::kCorrupt);
  EXPECT_FALSE(std::filesystem::exists(directory_.path() / "escape"));
}

TEST_F(SideFilesTest, AFileThatIsLongerThanItSaidIsRefused) {
  EXPECT_EQ(receive({begin("kernel", 3), piece("four")}, {"kernel"}).error().code, Code::kCorrupt);
  EXPECT_FALSE(std::filesystem::exists(to() / "kernel"));
}

TEST_F(SideFilesTest, AFileThatEndsEarlyIsRefusedAndLeavesNothingUnderItsName) {
  const Status received = receive({begin("kernel", 9), piece("four")}, {"kernel"});
  EXPECT_EQ(received.error().message, "the side file kernel is cut short");
  EXPECT_FALSE(std::filesystem::exists(to() / "kernel"));
}

TEST_F(SideFilesTest, BytesBeforeTheirBeginningAreRefused) {
  EXPECT_EQ(receive({piece("x")}, {"kernel"}).error().code, Code::kCorrupt);
}

TEST_F(SideFilesTest, AMissingFileIsRefusedAtTheEnd) {
  EXPECT_EQ(receive({begin("kernel", 1), piece("k")}, {"kernel", "vars.fd"}).error().message,
            "the side file vars.fd did not come");
}

TEST_F(SideFilesTest, AFileThatComesAgainKeepsItsSize) {
  EXPECT_EQ(receive({begin("vars.fd", 2), piece("ab"), begin("vars.fd", 3)}, {"vars.fd"}).error().code,
            Code::kCorrupt);
}

TEST(SideFileRecords, RefuseEverythingElse) {
  for (const Bytes& record : {Bytes{}, Bytes{2}, Bytes{3, 1}, Bytes{1, 0, 0}})
    EXPECT_EQ(decode_side_file_record(record).error().code, Code::kCorrupt);
}

}  // namespace sealift::migrate
