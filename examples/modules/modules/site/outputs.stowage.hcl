output "version" {
  description = "Version of the page."
  value       = config.page.version
}
