"""What a web server must do before any fleet boots its image."""

from testinfra.host import Host


def test_the_pages_are_there(host: Host) -> None:
    """The application's pages arrived and can be read by everybody."""
    assert host.file("/var/www/html/health").content_string.strip() == "ok"
    assert host.file("/var/www/html/index.html").mode & 0o004


def test_nginx_is_installed_and_its_configuration_is_sound(host: Host) -> None:
    """The web server's package is there, and it accepts its own configuration."""
    assert host.package("nginx-light").is_installed
    assert host.run("/usr/sbin/nginx -t").rc == 0
