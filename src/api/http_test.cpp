#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include <gtest/gtest.h>

#include "api/client.hpp"
#include "api/http_server.hpp"

namespace sealift::api {
namespace {

class Http : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::temp_directory_path() / fmt::format("sealift-api-{}", ::getpid());
    ASSERT_TRUE(file::make_private_directory(directory_));
    server_.get("/v1/vms/{}", [](const Request& request) -> Result<Json> {
      if (request.captures[0] == "none") return fail(Code::kNotFound, "no VM '{}'", request.captures[0]);
      return Json{{"name", request.captures[0]}, {"wait", request.query_number("wait", 7).value_or(0)}};
    });
    server_.post("/v1/vms/{}/start", [](const Request& request) -> Result<Json> { return request.body; });
    ASSERT_TRUE(server_.start(socket()));
  }
  void TearDown() override {
    server_.stop();
    ASSERT_TRUE(file::remove_tree(directory_));
  }
  file::Path socket() const { return directory_ / "api.sock"; }

  file::Path directory_;
  HttpServer server_;
};

TEST_F(Http, CarriesObjectsAndErrorsUnchanged) {
  Client client(socket());
  EXPECT_EQ(client.get("/v1/vms/a%20b?wait=3").value().at("wait"), 3);
  EXPECT_EQ(client.post("/v1/vms/x/start", {{"a", 1}}).value(), (Json{{"a", 1}}));
  const auto missing = client.get("/v1/vms/none");
  EXPECT_EQ(missing.error().code, Code::kNotFound);
  EXPECT_EQ(missing.error().message, "no VM 'none'");
  EXPECT_EQ(client.get("/v2/other").error().code, Code::kNotFound);
}

TEST_F(Http, SocketIsForItsOwnerOnly) {
  struct stat info{};
  ASSERT_EQ(::stat(socket().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
}

TEST_F(Http, NoDaemonSaysWhatToDo) {
  server_.stop();
  Client client(socket());
  const auto answer = client.get("/v1/status");
  EXPECT_EQ(answer.error().code, Code::kUnavailable);
  EXPECT_NE(answer.error().message.find("sealift host run"), std::string::npos);
}

}  // namespace
}  // namespace sealift::api
