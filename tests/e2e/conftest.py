from packers import for_each_packer

pytest_generate_tests = for_each_packer
