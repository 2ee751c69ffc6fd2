# What is installed, and the Debian package: cpack --config build/CPackConfig.cmake -G DEB
include(GNUInstallDirs)
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON) # packing builds no tests and benchmarks

install(TARGETS checkit RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES config/checkit.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES config/completion/checkit.bash
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME checkit)
install(DIRECTORY schemas/ DESTINATION ${CMAKE_INSTALL_DATADIR}/checkit/schemas
  FILES_MATCHING PATTERN "*.avsc" PATTERN "asyncapi.yaml")
install(DIRECTORY config/rules config/examples DESTINATION ${CMAKE_INSTALL_DATADIR}/checkit)
install(FILES README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
# The unit and the configuration it names live where Debian looks, whatever the prefix.
install(FILES config/systemd/checkit.service DESTINATION /lib/systemd/system)
install(FILES config/systemd/checkit.yaml DESTINATION /etc/checkit)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME checkit)
set(CPACK_PACKAGE_VENDOR checkit)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "screening of travel documents on Kafka")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "checkit maintainers <maintainers@checkit.invalid>")
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "ca-certificates")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "kcat, prometheus")
file(WRITE ${CMAKE_BINARY_DIR}/conffiles "/etc/checkit/checkit.yaml\n")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${CMAKE_BINARY_DIR}/conffiles)
include(CPack)
