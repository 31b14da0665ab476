// How rules name gRPC methods, and the paths they stand for: a gRPC call of package.Service/Method is a POST
// to /package.Service/Method. config/ decodes rules with it. Pure; knows no request.
#pragma once

#include <expected>
#include <string>
#include <string_view>

namespace http {

// The path pattern of "package.Service/Method", or of every method for "package.Service" and
// "package.Service/*". The error is a sentence's end for the user ("the method is missing").
std::expected<std::string, std::string_view> grpc_path_pattern(std::string_view name);

}  // namespace http
